"""Checks the links in a folder of HTML: check-book.py FOLDER. Links to the web are not followed."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id":
                self.anchors.add(value)


def main():
    pages = {path.resolve(): Page(path) for path in Path(sys.argv[1]).rglob("*.html")}
    broken, seen = [], 0
    for path, page in pages.items():
        # mdBook's page for a web server's errors, whose links are relative to the server's root.
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            seen += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path.name}: no such file: {link}")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.name}: no such heading: {link}")
    if broken or seen < 100:
        sys.exit("\n".join(sorted(broken)) or f"only {seen} links were found in {len(pages)} pages")
    print(f"{seen} links in {len(pages)} pages lead somewhere")


main()
