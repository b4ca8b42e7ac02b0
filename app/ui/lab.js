// What only the browser can do for the lab: read a file that somebody chose, move through frames.
(() => {
  const chosen = (accept) =>
    new Promise((done) => {
      const input = document.createElement("input");
      input.type = "file";
      input.accept = accept;
      input.addEventListener("change", () => done(input.files[0] || null));
      input.addEventListener("cancel", () => done(null));
      input.click();
    });
  const read = (file) =>
    new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(String(reader.result).split(",", 2)[1] || "");
      reader.onerror = () => done("");
      reader.readAsDataURL(file);
    });

  window.letterpressLab = {
    // {name, size, base64}; without base64 where it is too large, null where none was chosen.
    pick: async (accept, most) => {
      const file = await chosen(accept);
      if (!file) return null;
      const base64 = file.size > most ? "" : await read(file);
      return { name: file.name, size: file.size, base64 };
    },
  };

  document.addEventListener("input", (event) => {
    const scrub = event.target.closest?.(".lp-film-scrub");
    if (!scrub) return;
    const film = scrub.closest(".lp-film");
    film.style.setProperty("--lp-frame", scrub.value);
    const said = film.querySelector("output");
    const given = Number(film.dataset.given), at = Number(scrub.value) + 1;
    said.textContent = `Frame ${at} of ${Number(scrub.max) + 1}: ${at <= given ? "given" : "forecast"}`;
  });
})();
