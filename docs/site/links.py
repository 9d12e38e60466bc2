"""Checks a site that mdBook has built: links.py target/site

Every link inside the site leads to a file that is there, and to a place in it that is there. Every page is in the contents.
Links to other sites are not followed: a test has no network. Ends with 1 and says each link that is broken.
"""

import html.parser
import pathlib
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    """The names that a page can be entered by, and the links that leave it."""

    def __init__(self, text):
        super().__init__()
        self.places, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.places.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def broken(book, pages):
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / urllib.parse.unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or not target.is_relative_to(book):
                yield f"{path.relative_to(book)}: {link}: there is no such file"
            elif parts.fragment and target in pages and urllib.parse.unquote(parts.fragment) not in pages[target].places:
                yield f"{path.relative_to(book)}: {link}: the page has no such place"


def forgotten(source):
    """Pages that were written and are not in the contents: mdBook leaves them out without a word."""
    summary = (source / "SUMMARY.md").read_text()
    for path in [*source.glob("*.md"), *source.glob("docs/*.md")]:
        name = str(path.relative_to(source))
        if name != "SUMMARY.md" and f"]({name})" not in summary:
            yield f"{name}: it is not in docs/site/SUMMARY.md"


def main(site):
    book = site / "book"
    # 404.html is served at any address, so that its links are the site's to resolve; print.html and toc.html repeat the pages.
    skipped = {"404.html", "print.html", "toc.html"}
    paths = [path for path in book.rglob("*.html") if path.name not in skipped]
    pages = {path: Page(path.read_text()) for path in paths}
    links = sum(len(page.links) for page in pages.values())
    if len(pages) < 10 or links < 100:
        sys.exit(f"only {len(pages)} pages and {links} links: is this the site?")
    faults = [*broken(book, pages), *forgotten(site / "src")]
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(pages)} pages, {links} links: all lead somewhere")


main(pathlib.Path(sys.argv[1]).resolve())
