import asyncio
import builtins
import email
import email.policy
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from queue import Queue
from typing import Any

import apprise.plugins.pagerduty
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.google_chat import NotifyGoogleChat
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from hypothesis import given
from hypothesis import strategies as st

from lanner.outputs.lane import Route
from lanner.outputs.notify import TYPES, NotifyOptions, NotifyOutput, inert
from lanner.outputs.sink import OptionError, RefusedError
from lanner.rules.priority import Priority

from .receivers import TIMEOUT_S, Fan, WebServer, alert, server_context, web_server

# A module that Apprise loads for encrypted e-mail asks for one that later versions of Python do not have.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

HOSTILE = (
    "@channel @everyone <!here> <users/all> <@U1> <at>all</at> [a](https://evil.example) <https://evil.example|b> "
    "[c](//evil.example) www.evil.example <img src=x> ![d](http://evil.example/e.png)\n\r\x1b[31m\u202e\x00 [f]"
)
TOKEN = "3ccdd113474722377935511fc85d3dd4"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def mattermost(web: WebServer, name: str = "") -> str:
    return f"mmost://{name}127.0.0.1:{web.port}/{TOKEN}"


def output_to(*urls: str, **options: Any) -> NotifyOutput:
    return NotifyOutput(NotifyOptions(urls=urls, **options))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_message_has_title_and_text_of_the_templates(web: WebServer) -> None:
    output = output_to(
        f"json://127.0.0.1:{web.port}/alerts",
        title="%rule on %hostname",
        template="%message\nwho: %ka.user.groups, what: %ka.verb\nSee https://runbooks.example.com/%source, @oncall",
    )
    output.write([alert(1), alert(2)])
    output.flush()
    output.close()
    output.close()
    posts = [json.loads(web.next().body) for _ in range(2)]
    assert [post["title"] for post in posts] == ["Pod created on vm"] * 2
    assert [post["message"] for post in posts] == [
        f"pod {number}\nwho: (a,b), what: <NA>\nSee https://runbooks.example.com/k8s_audit, @oncall"
        for number in (1, 2)
    ]


@pytest.mark.parametrize("priority", Priority)
def test_severity_is_that_of_the_priority(web: WebServer, priority: Priority) -> None:
    output_to(f"json://127.0.0.1:{web.port}").write([alert(priority=priority)])
    kind = json.loads(web.next().body)["type"]
    assert kind == TYPES[priority]
    assert kind == ("failure" if priority.level <= 3 else "warning" if priority is Priority.WARNING else "info")


def slack(posted: Any) -> list[str]:
    (attachment,) = posted["attachments"]
    return [attachment["title"], attachment["text"]]


def teams(posted: Any) -> list[str]:
    return [block["text"] for block in posted["attachments"][0]["content"]["body"]]


SERVICES: Mapping[str, Callable[[Any], list[str]]] = {
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ": slack,
    "discord://1234567890/abcdefghijklmnopqrstuvwxyz": lambda posted: [posted["content"]],
    "gchat://space/keykeykey/tokentoken": lambda posted: [posted["text"]],
    "tgram://123456789:abcdefg_hijklmnop/12315544/": lambda posted: [posted["text"]],
    "pagerduty://integrationkey@apikeyapikey": lambda posted: [posted["payload"]["summary"]],
    "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4": lambda posted: [posted["text"]],
    "json://127.0.0.1:{port}": lambda posted: [posted["title"], posted["message"]],
    "workflows://127.0.0.1:{tls_port}/643e3b2bfa2d4a3ab31f3b8f2ba1bc6f/signaturesignature": teams,
}
"""Addresses of services, and where in a post each has the texts that people read."""


@pytest.mark.parametrize("url", SERVICES)
def test_nothing_in_an_event_is_a_mention_a_link_or_a_tag(
    web: WebServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    base = f"http://127.0.0.1:{web.port}"
    for plugin, name, address in (
        (NotifySlack, "webhook_url", f"{base}/slack"),
        (NotifyDiscord, "notify_url", f"{base}/discord"),
        (NotifyGoogleChat, "notify_url", f"{base}/{{workspace}}"),
        (NotifyTelegram, "notify_url", f"{base}/bot"),
    ):
        monkeypatch.setattr(plugin, name, address)
    pager = apprise.plugins.pagerduty
    monkeypatch.setattr(pager, "PAGERDUTY_API_LOOKUP", dict.fromkeys(pager.PAGERDUTY_API_LOOKUP, f"{base}/pager"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca"))
    hostile = alert(rule=HOSTILE, message=HOSTILE, output_fields={"ka.a": HOSTILE}, hostname=HOSTILE, tags=(HOSTILE,))
    with web_server(server_context(authority)) as tls:
        output = output_to(
            url.format(port=web.port, tls_port=tls.port),
            title="%rule",
            template="%message(%ka.a) %tags\nhttps://runbook.example.com %hostname",
        )
        output.write([hostile])
        posts = (tls if "workflows" in url else web).posts
        texts = SERVICES[url](json.loads(posts.get(timeout=TIMEOUT_S).body))
    assert sum(text.count("evil") for text in texts) >= 15
    for text in texts:
        plain = text.replace("\\", "").replace("https://runbook.example.com", "").replace("<b>", "").replace("</b>", "")
        assert "//" not in plain.replace("[//]", "")
        assert "@" not in plain.replace("[@]", "")
        assert "<" not in plain.replace("[<]", "")
        assert "](" not in plain
        assert "www.evil" not in plain
        assert "evil.example/" not in plain
        assert all(char.isprintable() or char in "\r\n" for char in plain)
    assert any("u202e" in text for text in texts)


@given(st.text(alphabet="@/<>[]()!wW.:a\n\u202e", max_size=40))
def test_a_value_is_on_one_line_and_inert(value: str) -> None:
    text = inert(value)
    assert text.isprintable()
    assert "](" not in f"{text}("
    bare = text.replace("[//]", " ").replace("[@]", " ").replace("[<]", " ")
    assert not any(part in bare for part in ("//", "@", "<"))


def test_what_is_harmless_is_left_as_it_is() -> None:
    text = "(user=system:node:a ns=<NA> uri=/api/v1/pods?limit=1 image=nginx:1.25.3 groups=[a,b] x>y)"
    assert inert(text) == text


def test_long_texts_are_cut(web: WebServer) -> None:
    long = alert(rule="r" * 10_000, message="m" * 100_000)
    output_to(f"json://127.0.0.1:{web.port}", max_chars=1000, title="%rule").write([long])
    post = json.loads(web.next().body)
    assert (len(post["title"]), len(post["message"])) == (200, 1000)
    assert post["message"].endswith("m … (cut)")


def test_texts_are_cut_at_what_the_service_takes(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{web.port}")
    output_to("discord://1234567890/abcdefghijklmnopqrstuvwxyz").write([alert(message="m" * 3900)])
    assert 1000 < len(json.loads(web.next().body)["content"]) <= 2000
    assert web.posts.empty()


def test_only_services_that_did_not_take_an_alert_get_it_again(web: WebServer) -> None:
    web.statuses = [200, 503, 200]
    output = output_to(mattermost(web, "one@"), mattermost(web, "two@"))
    with pytest.raises(OSError, match=r"^Mattermost: ") as caught:
        output.write([alert(1)])
    assert not isinstance(caught.value, RefusedError)
    output.write([alert(1)])
    output.write([alert(2)])
    names = [json.loads(web.next().body)["username"] for _ in range(5)]
    assert names == ["one", "two", "two", "one", "two"]
    assert web.posts.empty()


def test_an_alert_that_fails_for_too_long_is_refused_and_the_next_one_has_its_own_time(web: WebServer) -> None:
    clock = Clock()
    output = NotifyOutput(NotifyOptions(urls=[mattermost(web)], give_up_s=60), clock=clock)
    web.statuses = [500] * 4
    for at, number, is_refusal in ((0, 1, False), (59, 1, False), (60, 1, True), (61, 2, False)):
        clock.now = at
        with pytest.raises(OSError, match="Mattermost") as caught:
            output.write([alert(number)])
        assert isinstance(caught.value, RefusedError) is is_refusal
    output.write([alert(2)])


def test_behind_a_lane_a_failure_is_tried_again_until_it_is_taken(web: WebServer) -> None:
    web.statuses = [500, 500]
    said: list[str] = []
    fanout = Fan([Route(name="ops", output=output_to(mattermost(web)))], report=said.append)
    fanout.write([alert(1), alert(2)])
    bodies = [json.loads(web.next().body)["text"] for _ in range(4)]
    fanout.close()
    assert ["pod 1" in body for body in bodies] == [True, True, True, False]
    assert fanout.stats()[0].delivered == 2
    assert said[0].startswith("output `ops`: Mattermost: ")


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_no_secret_is_in_an_error_nor_in_a_log(
    web: WebServer, status: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    web.statuses = [status]
    web.answer = f"no: {TOKEN}\x1b[31m".encode()
    output = output_to(f"{mattermost(web)}?channel=geheimnis")
    with pytest.raises(OSError, match="Mattermost") as caught:
        output.write([alert()])
    assert len(web.posts.queue) == 1  # a redirect is not followed
    logger = logging.getLogger("apprise")  # which pytest listens to itself
    assert not logger.propagate
    handlers = [handler for handler in logger.handlers if not type(handler).__module__.startswith("_pytest")]
    assert all(isinstance(handler, logging.NullHandler) for handler in handlers)
    logged = [record.getMessage() for record in caplog.records if record.name != "apprise"]
    told = f"{caught.value!r} {caught.value} {logged} {''.join(capfd.readouterr())}"
    assert TOKEN not in told
    assert "geheimnis" not in told
    assert "\x1b" not in told
    assert str(status) in told


def test_a_service_that_does_not_answer_is_given_up_after_the_time_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        output = output_to(f"mmost://127.0.0.1:{server.getsockname()[1]}/{TOKEN}", timeout_s=0.2)
        with pytest.raises(OSError, match="Mattermost") as caught:
            output.write([alert()])
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("urls", "message", "help"),
    [
        ([], "empty", "slack://"),
        (["geheim"], "address 1 cannot be used: it does not begin with a service and `://`", ""),
        (["json://x", "slak://geheim/b"], "address 2 cannot be used: Apprise knows no service `slak`", "`slack://`?"),
        (["tgram://geheim/x"], "address 1 cannot be used: a part is missing or has not the form that `tgram://`", ""),
        (["mailto://geheim"], "address 1 cannot be used: a part is missing", ""),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_once_without_being_shown(
    urls: list[str], message: str, help: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OptionError) as caught:
        output_to(*urls)
    assert str(caught.value).startswith(f"`urls`: {message}")
    assert help in (caught.value.help or "")
    assert "geheim" not in f"{caught.value} {caught.value.help} {''.join(capfd.readouterr())}"


@pytest.mark.parametrize(("option", "text"), [("title", "%nonsense"), ("template", "100%")])
def test_a_template_that_cannot_be_used_is_refused_by_its_key(option: str, text: str) -> None:
    with pytest.raises(OptionError, match=f"^`{option}`: "):
        output_to("json://127.0.0.1", **{option: text})


def test_without_apprise_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "apprise":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OptionError, match="Apprise is not installed") as caught:
        output_to("json://127.0.0.1")
    assert caught.value.help == "run `pip install 'lanner[notify]'`"


def test_nobody_else_waits_for_apprise_to_load() -> None:
    script = "import sys, lanner.outputs.notify, lanner.cli.main; sys.exit('apprise' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=TIMEOUT_S)


# E-mail, to a real SMTP server


class Server(Controller):
    """A server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call] # theirs has no types


class Mailbox:
    """Keeps what a mail server was given, and with which name and password."""

    def __init__(self) -> None:
        self.messages: Queue[tuple[EmailMessage, Envelope, bool]] = Queue()
        self.answers: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.put((message, envelope, session.ssl is not None))
        return self.answers.pop(0) if self.answers else "250 OK"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mail_port(
    mailbox: Mailbox, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """A mail server that takes mail after STARTTLS and from one user only."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca"))

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"lanner", b"geheim"), handled=False)

    controller = Server(
        mailbox,
        hostname="127.0.0.1",
        port=0,
        tls_context=server_context(authority),
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def mail(port: int, password: str = "geheim") -> str:
    return (
        f"mailtos://lanner:{password}@127.0.0.1:{port}/?mode=starttls&smtp=127.0.0.1"
        "&from=lanner@example.com&to=ops@example.com,oncall@example.com"
    )


def test_an_e_mail_is_encrypted_and_its_header_and_text_are_only_text(mailbox: Mailbox, mail_port: int) -> None:
    output = output_to(mail(mail_port))
    evil = "x\r\nBcc: evil@example.com\r\n\r\n<script>@ü"
    output.write([alert(rule=evil, message=evil)])
    recipients: set[str] = set()
    for _ in range(2):
        message, envelope, is_encrypted = mailbox.messages.get(timeout=TIMEOUT_S)
        recipients.update(envelope.rcpt_tos)
        assert is_encrypted
        assert message["Subject"] == "Warning: x\\r\\nBcc: evil[@]example.com\\r\\n\\r\\n[<]script>[@]ü"
        assert message["Bcc"] is None
        assert "lanner@example.com" in message["From"]
        for part in message.walk():
            if part.get_content_type() == "text/html":
                assert "<script" not in part.get_content()
                assert "[&lt;]script&gt;[@]ü" in part.get_content()
    assert recipients == {"ops@example.com", "oncall@example.com"}


def test_mail_that_the_server_does_not_take_is_tried_again(mailbox: Mailbox, mail_port: int) -> None:
    mailbox.answers = ["451 later", "451 later"]
    output = output_to(mail(mail_port))
    with pytest.raises(OSError, match=r"^E-[Mm]ail: ") as caught:
        output.write([alert()])
    assert not isinstance(caught.value, RefusedError)
    output.write([alert()])
    assert mailbox.messages.qsize() >= 3


def test_a_wrong_password_is_an_error_that_does_not_show_it(mailbox: Mailbox, mail_port: int) -> None:
    with pytest.raises(OSError, match=r"^E-[Mm]ail: ") as caught:
        output_to(mail(mail_port, "falschespasswort")).write([alert()])
    assert "falschespasswort" not in str(caught.value)
    assert mailbox.messages.empty()


def test_a_mail_server_that_nobody_vouches_for_gets_nothing(
    mailbox: Mailbox, mail_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other"))
    assert os.environ["SSL_CERT_FILE"] in (ssl.get_default_verify_paths().cafile or "")
    with pytest.raises(OSError, match=r"^E-[Mm]ail: "):
        output_to(mail(mail_port)).write([alert()])
    assert mailbox.messages.empty()
