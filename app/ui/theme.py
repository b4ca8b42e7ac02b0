"""Colours and type of the page: brown ink, contrast by day and by night, no foreign fonts."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_HERE = Path(__file__).parent
CSS = sorted(_HERE.glob("*.css"))
SCRIPTS = sorted(_HERE.glob("*.js"))

INK = gr.themes.Color(
    name="ink",
    c50="#faf5ef",
    c100="#f2e7d9",
    c200="#e3cdb2",
    c300="#d0ac84",
    c400="#b98a5b",
    c500="#9c6c3f",
    c600="#7d5230",
    c700="#643f25",
    c800="#4b2f1c",
    c900="#352114",
    c950="#22150c",
)


def theme() -> gr.themes.Base:
    """Gradio's plain theme in our ink."""
    return gr.themes.Default(
        primary_hue=INK,
        neutral_hue="stone",
        font=["system-ui", "-apple-system", "Segoe UI", "Liberation Sans", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill="#efe8dc",
        body_background_fill_dark="#191512",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_secondary_background_fill="#e2d6c2",
        button_secondary_background_fill_hover="#d6c6ab",
        button_secondary_background_fill_dark="#40362d",
        button_secondary_background_fill_hover_dark="#52463b",
        button_secondary_text_color="*primary_900",
        button_secondary_text_color_dark="*primary_100",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        block_label_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_200",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_info_text_color="*neutral_700",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_400",
        input_background_fill="#fffdf8",
        input_background_fill_dark="#2a2420",
        input_border_color="#b9a88f",
        input_border_color_dark="#6b5d50",
        checkbox_label_background_fill_selected="*primary_600",
        checkbox_label_text_color_selected="white",
    )


def head() -> str:
    """What the page's head holds: our scripts, and that nothing of the address is passed on."""
    scripts = "".join(f"<script>{script.read_text('utf-8')}</script>" for script in SCRIPTS)
    return f'<meta name="referrer" content="no-referrer">{scripts}'
