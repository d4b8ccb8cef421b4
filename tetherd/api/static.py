"""The plain page at /, where the web app is not built."""

from __future__ import annotations

import base64
import hashlib

from quart import Response

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.125rem/1.6 system-ui, sans-serif; margin: 0; }
main { max-width: 38rem; margin: 0 auto; padding: 3rem 1.25rem; }
h1 { font-size: 1.75rem; line-height: 1.2; }
code, pre { font-family: ui-monospace, monospace; font-size: 1rem; }
pre { border: 1px solid; border-radius: 0.5rem; padding: 1rem; overflow-x: auto; }
"""

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tetherd</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>tetherd is running</h1>
<p>It supervises the coding agents on this machine and brings their questions to you.</p>
<p>The web app is not built here. From a checkout, with Node and npm, <code>make ui</code> builds it; then restart
tetherd. The other way in is a terminal:</p>
<pre><code>tetherctl status
tetherctl list
tetherctl approvals</code></pre>
<p>Programs use the API below <code>/api</code>; <a href="/api/openapi.json">its description</a> says how.</p>
</main>
</body>
</html>
""".encode()

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def page() -> Response:
    """It holds nothing of anybody's, so it asks for no token."""
    response = Response(_PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response
