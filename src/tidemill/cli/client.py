"""The API as the commands call it: errors become one sentence and exit code 1."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import typer

from tidemill.cli.failure import fail

Url = Annotated[str, typer.Option(envvar="TIDEMILL_URL", help="Where Tidemill serves")]
Token = Annotated[str, typer.Option(envvar="TIDEMILL_TOKEN", help="A token, as POST /api/token gives it")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as it is")]
DEFAULT_URL = "http://127.0.0.1:8080"
WHERE = "--url or TIDEMILL_URL, --token or TIDEMILL_TOKEN"


class ApiClient:
    """A thin httpx client. Paths begin with `/api`."""

    def __init__(self, url: str, token: str) -> None:
        try:
            self._http = httpx.Client(base_url=url, headers={"X-Authorization": token}, timeout=60)
        except (httpx.InvalidURL, UnicodeEncodeError):
            fail(f"The address {url!r} or the token cannot be right: {WHERE}")
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            fail(f"{url!r} is no address of Tidemill: write {DEFAULT_URL} ({WHERE})")
        self._url = url

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> Any:
        return self._call("POST", path, json={} if body is None else body)

    def put(self, path: str, body: Any) -> Any:
        return self._call("PUT", path, json=body)

    def status(self, path: str) -> int:
        """The bare status code; 0 where nobody answers."""
        try:
            return self._http.get(path).status_code
        except httpx.TransportError:
            return 0

    def close(self) -> None:
        self._http.close()

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            fail(f"Nobody answers at {self._url} ({error}). Is `tidemill serve` running there? (--url, TIDEMILL_URL)")
        is_json = response.headers.get("content-type", "").startswith("application/json")
        if response.is_success and not _is_page(response):
            return response.json() if is_json and response.content else response.text
        if response.status_code == 401 and is_json:
            fail("The token is missing, wrong or expired: get one with POST /api/token (--token, TIDEMILL_TOKEN).")
        if not is_json:
            fail(f"What answers at {self._url} is not Tidemill: {method} {path} gave {response.status_code}. ({WHERE})")
        return fail(f"{method} {path}: {response.status_code}: {_message(response)}")


def _is_page(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("text/html")


def _message(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text
    lines = [str(body.get("message", body))]
    lines += [f"  {item.get('path', '')}: {item.get('message', '')}" for item in body.get("validationErrors") or ()]
    return "\n".join(lines)
