"""Remake the pictures of the selector page, in a desktop's and a phone's window.

    uv run scripts/screens.py

They come from the system's chromium, with its fonts.
"""

from page import ROOT, browser, served

PICTURES = ROOT / "docs/pictures"
SCREENS = {
    "selector": ("?gpu=NVIDIA+RTX+5090&companions=torchvision", 1200, 860, "light"),
    "selector-phone": ("?gpu=NVIDIA+RTX+5090", 375, 740, "dark"),
}


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with served() as url, browser() as chromium:
        for name, (query, width, height, scheme) in SCREENS.items():
            page = chromium.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                locale="en-US",
            )
            page.goto(url + query)
            page.locator("#selector").wait_for()
            page.screenshot(path=PICTURES / f"{name}.png")
            print(f"docs/pictures/{name}.png")


if __name__ == "__main__":
    main()
