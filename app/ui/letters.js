// What only the browser can do: keep a draft over a reload, know the open letter, save a file.
// Letters are never kept here once they are sent.
(() => {
  const THREAD = "letterpress:thread", DRAFT = "letterpress:draft:";
  const FIELDS = ["lp-letter", "lp-writer", "lp-place", "lp-date"];
  const field = (id) => document.querySelector(`#${id} textarea, #${id} input`);
  const open = () => sessionStorage.getItem(THREAD) || "";
  const key = () => DRAFT + (open() || "new");

  const read = () => {
    try { return JSON.parse(localStorage.getItem(key())) || {}; } catch { return {}; }
  };
  const keep = () => {
    const draft = Object.fromEntries([...FIELDS, "lp-to"].map((id) => [id, field(id)?.value || ""]));
    if (draft["lp-letter"].trim()) localStorage.setItem(key(), JSON.stringify(draft));
    else localStorage.removeItem(key());
  };
  const fill = (id, text) => {
    const box = field(id);
    if (!box || box.value || !text) return; // never over what somebody has begun to write
    const kind = box.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const show = (selector) => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const found = document.querySelectorAll(selector);
    found[found.length - 1]?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  };

  window.letterpress = {
    opened: () => open(),
    remember: (thread) => {
      if (thread) sessionStorage.setItem(THREAD, thread);
      else sessionStorage.removeItem(THREAD);
    },
    deleted: () => {
      localStorage.removeItem(key());
      sessionStorage.removeItem(THREAD);
    },
    drafted: () => (open() ? "" : read()["lp-to"] || ""),
    sent: (thread) => {
      if (!thread) return;
      const draft = localStorage.getItem(key());
      localStorage.removeItem(key());
      sessionStorage.setItem(THREAD, thread);
      if (draft) localStorage.setItem(key(), draft);
      setTimeout(() => {
        document.querySelector("button#lp-stop")?.focus({ preventScroll: true });
        show(innerWidth < 768 ? ".lp-received" : ".lp-exchange");
      }, 400);
    },
    // A letter is out of the drafts when it has been answered, not when it is sent.
    answered: (thread) => {
      if (thread) localStorage.removeItem(DRAFT + thread);
    },
    restore: () => {
      const draft = read();
      setTimeout(() => FIELDS.forEach((id) => fill(id, draft[id])), 150);
    },
    save: (file) => {
      if (!file) return;
      const bytes = Uint8Array.from(atob(file.base64), (c) => c.charCodeAt(0));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([bytes], { type: file.type }));
      link.download = file.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
  };

  document.addEventListener("input", (event) => {
    if (FIELDS.some((id) => event.target.closest?.(`#${id}`))) keep();
  });
  // A tap on a sentence opens its note as its mark does; Escape closes it.
  document.addEventListener("click", (event) => {
    event.target.closest?.(".lp-has-note")?.querySelector("button.lp-glyph")?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (document.activeElement?.matches(".lp-glyph")) document.activeElement.blur();
    for (const hovered of document.querySelectorAll(".lp-has-note:hover")) {
      hovered.classList.add("lp-hushed");
      hovered.addEventListener("mouseleave", () => hovered.classList.remove("lp-hushed"), { once: true });
    }
  });
})();
