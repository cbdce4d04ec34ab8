#!/usr/bin/env python3
"""Rounds of faults against the program, for the figures of the document about reliability.

    THALWEG=target/release/thalweg tests/reliability/rounds.py [KIND ...] [--rounds N]

KIND is one or several of kill, full, damage, labels, memory; all without one. Each prints a
line for everything that was wrong, then one line of figures. Exit code 1 if anything
was. `--seed S` repeats the same rounds, `--keep DIR` works there and leaves it.

`full` mounts a tmpfs and needs root, `labels` needs playwright and Chromium (CHROMIUM, default
/usr/bin/chromium) to render pages; without them these parts are left out with a word.
"""

import argparse
import collections
import html.parser
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

THALWEG = os.path.abspath(os.environ.get("THALWEG", "target/release/thalweg"))
SAME = ("replicates.parquet", "curves.parquet", "looks.parquet")
BROKEN = (101, 134, 139, -signal.SIGABRT, -signal.SIGSEGV)
WRONG = []


def call(*words, cwd=None, limit=120, before=None):
    """Exit code (None if it did not end in time) and everything it said."""
    try:
        done = subprocess.run(
            [THALWEG, *map(str, words)], cwd=cwd, timeout=limit, preexec_fn=before,
            env={**os.environ, "NO_COLOR": "1", "RUST_BACKTRACE": "0"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return None, "did not end"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def wrong(kind, what):
    WRONG.append(f"{kind}: {what}")
    print("  wrong:", WRONG[-1].replace("\n", " ")[:300], flush=True)


def broken(code, said):
    return code in BROKEN or "panicked" in said or "overflowed its stack" in said


def results(folder):
    return {n: (folder / n).read_bytes() for n in SAME if (folder / n).exists()}


def litter(folder):
    return [p for p in folder.rglob(".tmp*")]


# ---------------------------------------------------------------------------------------------


def kill(work, rounds, rng):
    """kill -9 at random moments, then go on until done; against a run that nobody disturbed."""
    study = work / "killed.toml"
    dims = ", ".join(map(str, range(2, 15)))
    study.write_text(
        "replicates = 60\ndata = { points = 8, dim = 2 }\nnet = { hidden = [12, 12] }\n"
        "descent = { steps = 1500 }\n[[compare]]\nname = 'dim'\n"
        f"'data.dim' = [{dims}]\n")
    start = time.monotonic()
    code, said = call("run", study, "--out", work / "calm")
    span = time.monotonic() - start
    if code != 0:
        return wrong("kill", f"the undisturbed run: {code} {said}")
    calm, cells = results(work / "calm"), len(list((work / "calm/cells").glob("*.record")))
    kills = differ = lost = failed = dirty = pieces = 0
    for number in range(rounds):
        out = work / "killed"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(rng.randint(1, 4)):
            child = subprocess.Popen(
                [THALWEG, "run", study, "--out", out],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                child.wait(rng.uniform(0.0, 0.8 * span))
                break
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                kills += 1
        code, said = call("run", study, "--out", out)
        if code != 0:
            failed += 1
            wrong("kill", f"round {number}: {code} {said}")
            continue
        found = len(list((out / "cells").glob("*.record")))
        if found != cells:
            lost += 1
            wrong("kill", f"round {number}: {found} records, not {cells}")
        for name, bytes_ in calm.items():
            if results(out).get(name) != bytes_:
                differ += 1
                wrong("kill", f"round {number}: {name} differs")
        left = litter(out)
        dirty += bool(left)
        pieces += len(left)
        if left:
            wrong("kill", f"round {number}: left {[p.name for p in left]}")
    print(f"kill: {rounds} rounds of {cells} cells ({span:.1f} s undisturbed), {kills} kills; "
          f"{failed} failed to go on, {lost} with cells lost or doubled, {differ} tables "
          f"different, {dirty} rounds with litter ({pieces} files)")


# ---------------------------------------------------------------------------------------------


def whole(path):
    """Whether a file that must end in some way does."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return data[:4] == b"PAR1" == data[-4:]
    if path.suffix == ".html":
        return data.rstrip().endswith(b"</html>")
    if path.suffix == ".svg":
        return data.rstrip().endswith(b"</svg>")
    if path.suffix == ".json":
        try:
            json.loads(data)
        except ValueError:
            return False
    return bool(data)


def full(work, rounds, rng):
    """A run on a file system that gets full, and the same command when there is room."""
    del rng
    disk = work / "disk"
    disk.mkdir()
    study = work / "full.toml"
    (work / "d.csv").write_text("x0,y\n0,1\n1,0.5\n2,2\n3,1.5\n")
    study.write_text(
        "replicates = 60\ndata = { file = 'd.csv' }\nnet = { hidden = [6] }\n"
        "descent = { steps = 300 }\nkeep = { replicates = 20 }\n"
        "[[compare]]\nname = 'w'\n'net.hidden' = [[6], [4], [3], [2], [5, 5], [4, 4]]\n")
    call("run", study, "--out", work / "calm")
    calm = results(work / "calm")
    used = sum(-(-p.stat().st_size // 4096) * 4 for p in (work / "calm").rglob("*") if p.is_file())
    sizes = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 640, 768, 1024, 1280, 1536]
    sizes += [2048]
    sizes = (sizes * (-(-rounds // len(sizes))))[:rounds]
    told = silent = half = differ = filled = left = enough = 0
    for size in sizes:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            return print("full: left out, no file system can be mounted here")
        try:
            out = disk / "run"
            code, said = call("run", study, "--out", out)
            if code == 0:
                enough += 1
            else:
                filled += 1
                if broken(code, said) or code is None:
                    wrong("full", f"{size}k: exit code {code}: {said}")
                told += "hint:" in said
                if "hint:" not in said:
                    silent += 1
                    wrong("full", f"{size}k: no hint: {said}")
            files = [p for p in disk.rglob("*") if p.is_file() and not p.name.startswith(".tmp")]
            for path in files:
                if not whole(path):
                    half += 1
                    wrong("full", f"{size}k: half a file {path.relative_to(disk)}")
            again = ["mount", "-o", "remount,size=64m", str(disk)]
            subprocess.run(again, check=True, capture_output=True)
            code, said = call("run", study, "--out", out)
            if code != 0 or results(out) != calm:
                differ += 1
                wrong("full", f"{size}k, with room again: {code} {said}")
            if litter(disk):
                left += 1
                wrong("full", f"{size}k: left {[p.name for p in litter(disk)]}")
        finally:
            subprocess.run(["umount", str(disk)], check=False)
    print(f"full: {len(sizes)} disks of {min(sizes)} to {max(sizes)} k for a run of {used} k; "
          f"{filled} got full ({enough} were large enough), {told} told with a hint, {silent} "
          f"without; {half} half files, {differ} wrong or failed when there was room, {left} "
          "with litter")


# ---------------------------------------------------------------------------------------------


def spoil(path, others, rng):
    """One random damage. Its name."""
    data = bytearray(path.read_bytes())
    way = rng.choice(["flip", "flips", "cut", "append", "noise", "empty", "swap", "zero"])
    if way in ("flip", "flips"):
        for _ in range(1 if way == "flip" else rng.randint(2, 40)):
            if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif way == "cut":
        data = data[: rng.randrange(len(data) + 1)]
    elif way == "append":
        data += rng.randbytes(rng.randint(1, 200))
    elif way == "noise":
        data = bytearray(rng.randbytes(max(1, len(data))))
    elif way == "empty":
        data = bytearray()
    elif way == "zero" and data:
        at = rng.randrange(len(data))
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    elif way == "swap":
        data = bytearray(rng.choice(others).read_bytes())
    path.write_bytes(bytes(data))
    return way


def kind_of(relative):
    first = relative.parts[0]
    if first in ("cells", "inputs", "weights", "figures", "tables"):
        return first
    return "parquet" if relative.suffix == ".parquet" else relative.name


def damage(work, rounds, rng):
    """A file of a finished run damaged, then two of the commands that read it, each alone."""
    study = work / "hurt.toml"
    (work / "d.csv").write_text("x0,y\n0,1\n1,0.5\n2,2\n3,1.5\n")
    study.write_text(
        "title = 'Whole'\nreplicates = 20\ndata = { file = 'd.csv' }\nnet = { hidden = [6] }\n"
        "descent = { steps = 300 }\n[[compare]]\nname = 'w'\n'net.hidden' = [[6], [4], [3]]\n"
        "[space]\n'net.hidden' = [[6], [3]]\nrace = 20\nat_most = 20\n")
    good = work / "good"
    for words in (("choose", study, "--out", good), ("run", study, "--out", good)):
        code, said = call(*words)
        if code not in (0, 3):
            return wrong("damage", f"{words[0]}: {code} {said}")
    names = collections.defaultdict(list)
    for path in sorted(p for p in good.rglob("*") if p.is_file()):
        names[kind_of(path.relative_to(good))].append(path.relative_to(good))
    kinds = [k for k in names if k not in ("figures", "tables")] + ["figures", "tables"]
    hurt = work / "hurt"
    commands = {
        "report": ("report", hurt, "--json"), "explain": ("explain", hurt),
        "watch": ("watch", hurt), "run": ("run", study, "--out", hurt),
        "run again": ("run", hurt / "study.toml", "--out", hurt), "weights": ("weights", hurt)}
    sane, tables = {}, results(good)
    for name, words in commands.items():
        shutil.rmtree(hurt, ignore_errors=True)
        shutil.copytree(good, hurt)
        sane[name] = call(*words)
        if results(hurt) != tables:
            wrong("damage", f"{name} of an undamaged folder changes its tables")
    count = collections.Counter()
    where = collections.Counter()
    for number in range(rounds):
        shutil.rmtree(hurt, ignore_errors=True)
        shutil.copytree(good, hurt)
        kind = kinds[number % len(kinds)]
        relative = rng.choice(names[kind])
        others = [p for p in good.rglob("*") if p.is_file() and p != good / relative]
        alike = [good / n for n in names[kind] if n != relative]
        way = spoil(hurt / relative, alike if alike and rng.random() < 0.7 else others, rng)
        spoiled = (hurt / relative).read_bytes()
        for name in rng.sample(sorted(commands), 2):
            words = commands[name]
            shutil.rmtree(hurt, ignore_errors=True)
            shutil.copytree(good, hurt)
            (hurt / relative).write_bytes(spoiled)
            code, said = call(*words, limit=30)
            count["calls"] += 1
            told = f"round {number}, {name} after {way} of {relative}: {code}"
            if code is None:
                count["hang"] += 1
                wrong("damage", told + " did not end in 30 s")
            elif broken(code, said):
                count["panic"] += 1
                wrong("damage", f"{told} {said}")
            elif code == sane[name][0]:
                rewrites = name in ("report", "run", "run again")
                same = not rewrites or results(hurt) == tables
                if said == sane[name][1] and same:
                    count["harmless"] += 1
                elif any(w in said for w in ("note:", "error:", "not in the record")):
                    count["noted"] += 1
                else:
                    count["wrong"] += 1
                    where[f"{name} after {kind}"] += 1
                    lines = said.splitlines(), sane[name][1].splitlines()
                    new = [a for a, b in zip(*lines) if a != b] or ["tables differ"]
                    wrong("damage", f"{told} {'tables differ; ' * (not same)}{new[0][:120]!r}")
            else:
                count["refused"] += 1
                count["unnamed"] += relative.name not in said
                if "error:" not in said:
                    wrong("damage", f"{told} ends without a word: {said}")
    print(f"damage: {rounds} damaged folders, {count['calls']} calls: {count['harmless']} harmless "
          f"(same result), {count['refused']} refused with a message ({count['unnamed']} that do "
          f"not name the file), {count['noted']} done with a word, {count['wrong']} with another "
          f"result without a word, {count['panic']} panics or aborts, {count['hang']} hangs")
    if where:
        print("  where:", "; ".join(f"{k} {n}" for k, n in where.most_common()))


# ---------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>window.hacked=1</script>", "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>", "</title><svg onload=window.hacked=1>",
    "\"><b onmouseover='window.hacked=1'>", "<!-- <script>window.hacked=1", "]]><x>",
    "javascript:window.hacked=1", "&lt;script&gt;&#0;&amp;&nosuch;",
    "<a href='http://127.0.0.1:9/'>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>", "{{constructor.constructor('1')()}}",
    "</style></svg></textarea><iframe src=http://127.0.0.1:9/>", "\\u003cscript\\u003e",
    "'\"`${1}`",
    "\x1b[31mred\x1b]0;title\x07", "\u009b31m \x08\x7f", "../../../escaped", "..", ".", "/etc/x",
    "C:\\con\\nul", "a\nb\r\nc", "\t \t", "\u202eevil\u202c \u2066x",
    "\U0001f4a9\U0001f468\u200d\U0001f469",
    "\\input{/etc/passwd} % $x$ #1 & ~ ^ _", "[1ex] text", "*", "=1+1", "+1", "-1", "@SUM(A1)",
    "=cmd|' /C calc'!A0", "-rf", "--help", "%s%n%d", "n" * 230, "\u0448" * 120, "x" * 5000,
    "e\u0301" * 40, "\ufeff\u200b", "NaN", "null", "a,b;c\"d\"", "con", "\ud7ff\uffff",
]


class Page(html.parser.HTMLParser):
    """Whether tags are closed in order, and what is in them."""

    VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr", "source", "base"}

    def __init__(self):
        super().__init__()
        self.open, self.bad, self.text, self.on = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.on += [n for n, v in attrs if n.startswith("on") and "hacked" in (v or "")]

    def handle_startendtag(self, tag, attrs):
        self.on += [n for n, v in attrs if n.startswith("on") and "hacked" in (v or "")]

    def handle_endtag(self, tag):
        optional = {"p", "li", "tr", "td", "th", "dt", "dd", "tbody", "thead", "option", "body"}
        while self.open and self.open[-1] != tag and self.open[-1] in optional:
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None, None
    play = sync_playwright().start()
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    return play, play.chromium.launch(
        executable_path=path, args=["--no-sandbox", "--disable-gpu"])


def render(shown, page_file, told):
    """Console errors, requests and scripts of a page. 1 if rendered."""
    page = shown.new_page()
    heard, asked = [], []
    page.on("console", lambda m: m.type in ("error", "warning") and heard.append(m.text))
    page.on("pageerror", lambda e: heard.append(str(e)))
    page.on("dialog", lambda d: (heard.append("dialog"), d.dismiss()))
    page.on("request", lambda r: asked.append(r.url))
    page.goto(page_file.resolve().as_uri())
    page.wait_for_timeout(120)
    if heard:
        wrong("labels", f"{told}: console {heard[:3]}")
    outside = [u for u in asked[1:] if not u.startswith(("data:", "blob:"))]
    if outside:
        wrong("labels", f"{told}: asked for {outside[:3]}")
    if page.evaluate("typeof window.hacked") != "undefined":
        wrong("labels", f"{told}: a script ran")
    page.close()
    return len(heard), len(outside)


def labels(work, rounds, rng):
    """Hostile strings wherever a person may write one."""
    del rng
    play, shown = browser()
    tried = HOSTILE[:rounds] if rounds else HOSTILE
    ran = refused = rendered = raw = outside = unparsed = formulas = errors = asked = 0
    for number, text in enumerate(tried):
        home = work / f"n{number}"
        (home / "in").mkdir(parents=True)
        quoted = json.dumps(text).replace("\x7f", "\\u007f")
        stem = text.replace("/", "_").encode()[:200].decode("utf-8", "ignore") or "_"
        stem = "_" + stem if stem in (".", "..") else stem
        for place in ("text", "file"):
            study = home / "in" / ("s.toml" if place == "text" else f"{stem}.toml")
            out = home / "in" / ("out" if place == "text" else f"{stem}-run")
            data = home / "in" / ("d.csv" if place == "text" else f"{stem}.csv")
            data.write_text("x0,y\n0,1\n1,0.5\n2,2\n")
            name = json.dumps(data.name).replace("\x7f", "\\u007f")
            lines = f"replicates = 4\ndescent = {{ steps = 40 }}\ndata = {{ file = {name} }}\n"
            if place == "text":
                lines = f"title = {quoted}\nwhy = {quoted}\nauthor = {quoted}\n" + lines
                for more, key in (("", "'net.hidden' = [[3], [2]]"),
                                  (" b", "'descent.steps' = [40, 20]")):
                    label = json.dumps(text + more).replace("\x7f", "\\u007f")
                    lines += f"[[compare]]\nname = {label}\n{key}\n"
                lines += (f"[[claim]]\nwhat = 'success'\nvalue = 1\nbetween = [0, 1]\n"
                          f"source = {quoted}\n")
            study.write_text(lines)
            before = {p for p in work.rglob("*") if home / "in" not in p.parents}
            told = f"{place} {text[:60]!r}"
            words = [("run", study, "--out", out, "--cells"), ("plan", study), ("watch", out),
                     ("explain", out), ("report", out), ("run", study, "--out", out, "--json")]
            for index, one in enumerate(words):
                code, said = call(*one, cwd=home / "in")
                if broken(code, said) or code is None:
                    wrong("labels", f"{told}: {one[0]} {code} {said}")
                if any(c in said for c in "\x1b\x07\x08\x9b\x7f"):
                    raw += 1
                    wrong("labels", f"{told}: {one[0]} prints a control character")
                if code != 0:
                    if index == 0:
                        refused += 1
                        if "error:" not in said or code == 1:
                            wrong("labels", f"{told}: run {code} {said}")
                    break
            else:
                ran += 1
            after = {p for p in work.rglob("*") if home / "in" not in p.parents}
            if after - before:
                outside += 1
                wrong("labels", f"{told}: wrote {after - before}")
            for table in out.glob("tables/*.csv"):
                cells = [c.strip('"') for row in table.read_text().splitlines()[1:]
                         for c in row.split(",")]
                if any(c[:1] in "=+@" and c[1:2] and not c[1:2].isdigit() or c[:2] == "=1"
                       for c in cells if c):
                    formulas += 1
                    wrong("labels", f"{told}: a formula in {table.name}")
            page = out / "report.html"
            if not page.exists():
                continue
            parsed = Page()
            parsed.feed(page.read_text())
            if parsed.bad or parsed.on:
                unparsed += 1
                wrong("labels", f"{told}: page has {parsed.bad[:3]} {parsed.on[:3]}")
            if shown:
                one, two = render(shown, page, told)
                errors, asked, rendered = errors + one, asked + two, rendered + 1
        shutil.rmtree(home)
    if shown:
        shown.close()
        play.stop()
    print(f"labels: {len(tried)} strings as text and as file names, {ran} runs whole, {refused} "
          f"refused; {unparsed} pages that do not parse, {rendered} rendered in Chromium"
          f"{'' if shown else ' (left out: no playwright)'}, {errors} console errors, {asked} "
          f"requests; {outside} wrote outside, {raw} raw control characters, {formulas} tables "
          "with formulas")


# ---------------------------------------------------------------------------------------------


def memory(work, rounds, rng):
    """Too little address space, too few threads."""
    study = work / "m.toml"
    study.write_text(
        "replicates = 100\ndata = { points = 20, dim = 5 }\nnet = { hidden = [32, 32] }\n"
        "descent = { steps = 300 }\n[[compare]]\nname = 'd'\n'data.dim' = [5, 3]\n")
    os.chmod(work, 0o777)
    call("run", study, "--out", work / "good")
    commands = {
        "run": ("run", study, "--fresh", "--threads", 8, "--out", work / "m"),
        "plan": ("plan", study, "--threads", 8), "report": ("report", work / "good"),
        "explain": ("explain", work / "good", "--threads", 8),
        "certify": ("certify", study, "--at-most", 40, "--threads", 8, "--out", work / "c.toml"),
        "theory": ("theory", "steps", study, "--threads", 8)}

    def space(size):
        return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))

    least = 4
    while call("--version", before=space(least << 20))[0] != 0:
        least += 1
    count = collections.Counter()

    def judge(limit, name, code, said):
        count["calls"] += 1
        if code is None:
            count["hang"] += 1
            wrong("memory", f"{limit}, {name}: did not end")
        elif code in (134, -signal.SIGABRT, 139, -signal.SIGSEGV):
            count["abort"] += 1
            wrong("memory", f"{limit}, {name}: {code} {said}")
        elif broken(code, said):
            count["panic"] += 1
            wrong("memory", f"{limit}, {name}: {code} {said}")
        elif code in (0, 3, 4):
            count["done"] += 1
        elif "error" in said:
            count["told"] += 1
        else:
            count["silent"] += 1
            wrong("memory", f"{limit}, {name}: {code} without a word")

    for number in range(rounds):
        size = least + (number * number) // 8 + rng.randrange(2)
        name = list(commands)[number % len(commands)]
        code, said = call(*commands[name], before=space(size << 20))
        judge(f"{size} MiB (starts from {least})", name, code, said)
    print(f"memory: {count['calls']} calls under limits from {least} MiB on (what `--version` "
          f"takes): {count['done']} done, {count['told']} ended with a message, {count['silent']} "
          f"without, {count['panic']} panics, {count['abort']} aborts, {count['hang']} hangs")
    count.clear()
    if os.geteuid() != 0:
        return print("threads: left out, needs root to take another user")

    def few(limit):
        def before():
            for path in (work / "good", work / "m"):
                path.exists() and subprocess.run(["chmod", "-R", "a+rwX", str(path)], check=False)
            os.setgid(65534)
            os.setuid(65534)
            resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
        return before

    for limit in (1, 2, 3, 5):
        for name, words in commands.items():
            code, said = call(*words, before=few(limit))
            judge(f"{limit} threads", name, code, said)
    print(f"threads: {count['calls']} calls as a user who may have 1 to 5 threads and asks for 8: "
          f"{count['done']} done, {count['told']} ended with a message, {count['silent']} without, "
          f"{count['panic']} panics, {count['abort']} aborts, {count['hang']} hangs")


KINDS = {"kill": (kill, 40), "full": (full, 19), "damage": (damage, 400), "labels": (labels, 0),
         "memory": (memory, 60)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", help="kill, full, damage, labels, memory")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=2018)
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    for kind in args.kinds or KINDS:
        if kind not in KINDS:
            parser.error(f"{kind} is none of {', '.join(KINDS)}")
        rounds = KINDS[kind][1] if args.rounds is None else args.rounds
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=args.keep)).resolve()
        begun = time.monotonic()
        try:
            KINDS[kind][0](work, rounds, random.Random(f"{args.seed} {kind}"))
        finally:
            if not args.keep:
                shutil.rmtree(work, ignore_errors=True)
        print(f"  {kind}: {time.monotonic() - begun:.0f} s", flush=True)
    sys.exit(1 if WRONG else 0)


if __name__ == "__main__":
    main()
