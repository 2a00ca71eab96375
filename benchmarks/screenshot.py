"""The README's picture of a report: `docs/report.png`.

    msrnn train --config recipes/digits.yaml --out runs/ms-convlstm
    msrnn train --config recipes/digits.yaml --model convlstm --out runs/convlstm
    msrnn report runs/ms-convlstm runs/convlstm --output runs/digits.html
    python benchmarks/screenshot.py runs/digits.html docs/report.png

Needs Chromium, chromedriver and selenium.
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from selenium import webdriver

WIDTH, HEIGHT, LEAD = 1160, 1000, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get(arguments.page.resolve().as_uri())
        browser.execute_script(
            "for (const article of document.querySelectorAll('.sequence')) {"
            "  const slider = article.querySelector('input');"
            "  slider.value = Number(article.dataset.context) + arguments[0] - 1;"
            "  slider.dispatchEvent(new Event('input'));"
            "}",
            LEAD,
        )
        halves = []
        for place in ("document.body", "document.querySelector('#scores')"):
            browser.execute_script(f"{place}.scrollIntoView()")
            halves.append(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"))
    finally:
        browser.quit()
    heights = (770, 778)
    picture = Image.new("RGB", (WIDTH, sum(heights)), "white")
    picture.paste(halves[0].crop((0, 0, WIDTH, heights[0])), (0, 0))
    picture.paste(halves[1].crop((0, 0, WIDTH, heights[1])), (0, heights[0]))
    picture.quantize(256).save(arguments.picture, optimize=True)


if __name__ == "__main__":
    main()
