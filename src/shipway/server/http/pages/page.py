"""`GET /docs`: every model with its signature, its verdicts and a form to ask it. It asks nothing of anyone else.

Without JavaScript the page reads the same, but for the form. Where keys are needed, who brings none gets a shell
that names no model: it asks for the key, fetches the page with it, and takes over what that holds.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.metadata import version
from importlib.resources import files
from urllib.parse import quote

from shipway.server.http.pages.examples import Examples, example_of
from shipway.server.models.model import ServedModel
from shipway.types import Signature, TensorSpec

_HERE = files("shipway.server.http.pages")
_STYLE = (_HERE / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "page.js").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


SECURITY_HEADERS = (
    "Content-Security-Policy: default-src 'none'; "
    f"style-src '{_digest(_STYLE)}'; script-src '{_digest(_SCRIPT)}'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
).encode()
"""Only what the page itself holds runs, whatever a bundle's texts say."""


def render_page(models: list[ServedModel], *, needs_key: bool) -> str:
    """The whole page."""
    items = "".join(
        f'<li><a href="#model-{index}">{escape(model.card.name)} {escape(model.card.version)}</a></li>'
        for index, model in enumerate(models)
    )
    sections = "".join(_model(index, model, needs_key=needs_key) for index, model in enumerate(models))
    nothing = "" if models else '<p class="lead">No model is loaded.</p>'
    # A link sends no key, so the script fetches what needs one.
    keyed = ' class="keyed"' if needs_key else ""
    return _document(
        "Every model here answered its golden samples on this machine before it answered anyone else. For "
        f'programs: <a{keyed} href="/openapi.json">openapi.json</a>, <a href="/v2/health/ready">ready</a>, '
        f'<a{keyed} href="/metrics">metrics</a>.',
        f'<ul class="contents">{items}</ul>{nothing}{sections}',
    )


def render_shell() -> str:
    """What is shown without a key."""
    return _document(
        "What is served here is shown to who has a key.",
        '<form class="model" id="unlock"><label for="key">API key</label>'
        '<input id="key" type="password" autocomplete="off" spellcheck="false" required>'
        '<button type="submit">Show the models</button><p class="status muted" aria-live="polite">'
        "The key stays in this tab and goes to this server alone; closing the tab forgets it.</p></form>"
        '<noscript><p class="lead">Without JavaScript: <code>curl -H "Authorization: Bearer KEY" '
        "http://HOST:PORT/openapi.json</code></p></noscript>",
    )


def _document(lead: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shipway server</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main><h1>Shipway server</h1>"
        f'<p class="lead">Version {escape(version("shipway"))}. {lead}</p>{content}</main>'
        f"<script>{_SCRIPT}</script></body></html>"
    )


def _model(index: int, model: ServedModel, *, needs_key: bool) -> str:
    card = model.card
    state = "ready" if model.is_ready else f"not ready: {model.reason}"
    tone = "pass" if model.is_ready else "fail"
    path = f"/v2/models/{quote(card.name, safe='')}/versions/{quote(card.version, safe='')}/infer"
    found = example_of(card, model.golden)
    facts = f"{card.precision} in {card.runtime}, variant {card.variant}, bundle {card.bundle_id[:12]}"
    task = f"{card.task}; " if card.task else ""
    return (
        f'<section class="model" id="model-{index}"><div class="head"><h2>{escape(card.name)}</h2>'
        f'<span class="muted">version {escape(card.version)}</span>'
        f'<span class="state {tone}">{escape(state)}</span></div>'
        f'<p class="muted">{escape(task + facts)}</p>{_labels(card.labels)}'
        f"{_signature(card.signature)}{_verdicts(model)}{_ways(path, model, found, needs_key=needs_key)}"
        f"{_form(index, path, found)}</section>"
    )


def _labels(labels: tuple[str, ...] | None) -> str:
    if not labels:
        return ""
    return f'<p class="muted">Classes: {escape(", ".join(labels[:50]))}{" …" if len(labels) > 50 else ""}</p>'


def _signature(signature: Signature) -> str:
    def rows(side: str, specs: tuple[TensorSpec, ...]) -> str:
        return "".join(
            f"<tr><td>{side}</td><td><code>{escape(spec.name)}</code></td><td>{spec.dtype}</td>"
            f"<td>{escape(' × '.join(map(str, spec.shape)) or 'scalar')}</td></tr>"
            for spec in specs
        )

    return (
        '<h3>Signature</h3><div class="scroll"><table><thead><tr><th>side</th><th>name</th><th>datatype</th>'
        f"<th>shape</th></tr></thead><tbody>{rows('input', signature.inputs)}"
        f"{rows('output', signature.outputs)}</tbody></table></div>"
    )


def _verdicts(model: ServedModel) -> str:
    rows = "".join(
        f'<tr><td class="{str(verdict.result).lower()}"><strong>{verdict.result}</strong></td>'
        f"<td>{escape(verdict.rule)}</td><td>{escape(verdict.subject)}</td>"
        f"<td>{escape(verdict.reason)}</td></tr>"
        for verdict in model.card.verdicts
    )
    if not rows:
        return '<h3>Verdicts</h3><p class="muted">The bundle holds none.</p>'
    return (
        '<h3>Verdicts of the bundle</h3><div class="scroll"><table><thead><tr><th>result</th><th>rule</th>'
        f"<th>subject</th><th>reason</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _ways(path: str, model: ServedModel, found: Examples, *, needs_key: bool) -> str:
    """The same request by curl and by tritonclient."""
    if found.example is None:
        return f'<h3>Examples</h3><p class="muted">{escape(found.why_not)}</p>'
    body = json.dumps(found.example.request, ensure_ascii=False)
    quoted = body.replace("'", "'\\''")
    key = "-H 'Authorization: Bearer KEY' " if needs_key else ""
    curl = f"curl {key}-d '{quoted}' \\\n  http://HOST:PORT{path}"
    python = _python(model, found, needs_key=needs_key)
    return (
        f"<details><summary>With curl</summary><pre>{escape(curl)}</pre></details>"
        f"<details><summary>With Python (tritonclient)</summary><pre>{escape(python)}</pre></details>"
    )


def _python(model: ServedModel, found: Examples, *, needs_key: bool) -> str:
    assert found.example is not None
    lines = ["import numpy as np", "import tritonclient.http as triton", ""]
    lines += ['client = triton.InferenceServerClient("HOST:PORT")', "inputs = []"]
    specs = {spec.name: spec for spec in model.card.signature.inputs}
    for tensor in found.example.request["inputs"]:
        name, shape, datatype = tensor["name"], tensor["shape"], tensor["datatype"]
        kind = "object" if datatype == "BYTES" else f"np.{specs[name].dtype.numpy.name}"
        lines.append(f"array = np.array({tensor['data']!r}, dtype={kind.replace('np.bool', 'bool')})")
        lines.append(f"tensor = triton.InferInput({name!r}, {shape!r}, {datatype!r})")
        lines += [f"tensor.set_data_from_numpy(array.reshape({shape!r}))", "inputs.append(tensor)"]
    card = model.card
    key = ', headers={"Authorization": "Bearer KEY"}' if needs_key else ""
    lines.append(f"answer = client.infer({card.name!r}, inputs, model_version={card.version!r}{key})")
    lines += [f"print(answer.as_numpy({spec.name!r}))" for spec in card.signature.outputs]
    return "\n".join(lines)


def _form(index: int, path: str, found: Examples) -> str:
    request = recorded = ""
    if found.example is not None:
        request = json.dumps(found.example.request, ensure_ascii=False)
        recorded = (
            "<div><h3>Recorded from the source framework</h3>"
            f"<pre>{escape(json.dumps(found.example.answer, ensure_ascii=False))}</pre></div>"
        )
    return (
        f'<form class="asking" data-path="{escape(path)}"><h3>Try it</h3>'
        f'<label for="body-{index}">Request to {escape(path)}</label>'
        f'<textarea id="body-{index}" spellcheck="false">{escape(request)}</textarea>'
        '<button type="submit">Ask the model</button><div class="answers" aria-live="polite"><div><h3>Answer</h3>'
        f'<p class="status muted">Not asked yet.</p><pre class="answer" tabindex="0"></pre></div>'
        f"{recorded}</div></form>"
    )
