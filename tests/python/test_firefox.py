"""The report in Firefox, by WebDriver BiDi: it says nothing in the console, its charts and its picker work.

Skipped where there is no Firefox. Everything else about the page is asked of Chromium in test_page.py.
"""

import asyncio
import json
import os
import shutil
import subprocess

import pytest

from test_page import STUDY

FIREFOX = shutil.which("firefox") or shutil.which("firefox-esr")
pytestmark = [
    pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program"),
    pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox"),
]


class Browser:
    """A WebDriver BiDi session; https://w3c.github.io/webdriver-bidi."""

    def __init__(self, socket):
        self.socket, self.number, self.said = socket, 0, []

    async def ask(self, method, **params):
        self.number += 1
        await self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(await asyncio.wait_for(self.socket.recv(), 60))
            if answer.get("id") == self.number:
                assert answer["type"] == "success", answer
                return answer["result"]
            self.said.append(answer)

    async def run(self, script):
        tree = await self.ask("browsingContext.getTree")
        target = {"context": tree["contexts"][0]["context"]}
        told = await self.ask("script.evaluate", expression=script, target=target, awaitPromise=True)
        assert told["type"] == "success", told
        return told["result"].get("value")


async def look(page, profile):
    import websockets

    command = [FIREFOX, "--headless", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL)
    try:
        while True:
            line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
            assert line, "Firefox ended"
            if "WebDriver BiDi listening on" in line:
                break
        address = line.split()[-1] + "/session"
        async with websockets.connect(address, max_size=None) as socket:
            browser = Browser(socket)
            await browser.ask("session.new", capabilities={})
            await browser.ask("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
            tree = await browser.ask("browsingContext.getTree")
            context = tree["contexts"][0]["context"]
            await browser.ask("browsingContext.navigate", context=context, url=page.as_uri(), wait="complete")
            found = {
                "charts": await browser.run(
                    "[...document.querySelectorAll('.live .uplot canvas')].filter((c) => c.width > 0).length"
                ),
                "plots": await browser.run("document.querySelectorAll('.plot[tabindex]').length"),
                # An arrow key on each picture reads a value off it.
                "read": await browser.run(
                    "document.querySelectorAll('details').forEach((d) => { d.open = true; });"
                    "[...document.querySelectorAll('.plot[tabindex]')].filter((plot) => {"
                    " for (let i = 0; i < 30; i++) plot.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));"
                    " return /\\d/.test(plot.parentNode.querySelector('.values').textContent); }).length"
                ),
                "before": await browser.run("document.getElementById('explorer').innerText"),
                "after": await browser.run(
                    "(() => { const pick = document.getElementById('pick-cell'); pick.selectedIndex = 2;"
                    " pick.dispatchEvent(new Event('change', { bubbles: true }));"
                    " return document.getElementById('explorer').innerText; })()"
                ),
                "wide": await browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
            }
            found["console"] = [m["params"].get("text") for m in browser.said if m["method"] == "log.entryAdded"]
            found["requests"] = [
                m["params"]["request"]["url"] for m in browser.said if m["method"] == "network.beforeRequestSent"
            ]
            return found
    finally:
        process.kill()
        await process.wait()


def test_the_page_works_in_firefox(tmp_path):
    (tmp_path / "small.toml").write_text(STUDY)
    out = tmp_path / "run"
    subprocess.run([os.environ["THALWEG"], "run", "small.toml", "--out", out], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "profile").mkdir()
    found = asyncio.run(look(out / "report.html", tmp_path / "profile"))
    assert found["console"] == []
    outside = [url for url in found["requests"] if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert found["charts"] == 3
    assert found["read"] == found["plots"] > 3
    assert found["before"] != found["after"]
    assert found["wide"] <= 0
