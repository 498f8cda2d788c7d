"""Writes subjects.jsonl: passages of public-domain books, each with the subject of its book.

    make_subjects.py FOLDER      FOLDER: plain texts of the books by Project Gutenberg number, NUMBER.txt

A passage is the first sentences of a paragraph (a line), 200 to 340 characters of plain ASCII, taken at
equal distances through the middle nine tenths of a book. Every third one is a test row.
"""
import json
import pathlib
import re
import sys

TRAIN, TEST = 80, 40
BOOKS = {"astronomy": "Story of the Heavens", "geology": "Elements of Geology", "history": "Western Europe",
         "zoology": "Zoology", "physiology": "Practical Physiology", "mythology": "Bulfinch"}


def passages(text):
    text = text[len(text) // 20:-len(text) // 20]
    for line in text.split("\n"):
        line = " ".join(line.split()).translate(
            {0x2019: "'", 0x2018: "'", 0x201c: '"', 0x201d: '"', 0x2014: "--", 0x2013: "-", ord("_"): ""})
        passage = ""
        for sentence in re.findall(r".+?[.?!][\"')]*(?= [A-Z\"']|$)", line):
            passage = (passage + " " + sentence.strip()).strip()
            if len(passage) >= 200:
                break
        is_plain = passage.isascii() and not set("[]{}*|") & set(passage) and passage[:1].isupper()
        if 200 <= len(passage) <= 340 and is_plain:
            if sum(c.isdigit() or c.isupper() for c in passage) < len(passage) // 14:
                yield passage


def main(folder):
    rows = []
    for label in BOOKS:
        found = list(dict.fromkeys(passages((folder / f"{label}.txt").read_text())))
        n = TRAIN + TEST
        if len(found) < n:
            raise SystemExit(f"{label}: {len(found)} passages, expected {n}")
        chosen = [found[i * len(found) // n] for i in range(n)]
        for i, text in enumerate(chosen):
            rows.append({"text": text, "label": label, "split": "test" if i % 3 == 2 else "train"})
    out = pathlib.Path(__file__).with_name("subjects.jsonl")
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(len(rows), out.stat().st_size)


main(pathlib.Path(sys.argv[1]))
