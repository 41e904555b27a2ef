"""The service's settings: one TOML file, every key optional, unknown keys refused."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from sensorium import limits, settings
from sensorium.event import NOTHING
from sensorium.settings import SettingsError
from sensorium_cloud.access import Right

_SECRETS: Final[Mapping[str, str]] = {
    "SENSORIUM_CLOUD_TLS_CERTIFICATE": "tls.certificate",
    "SENSORIUM_CLOUD_TLS_KEY": "tls.key",
    "SENSORIUM_CLOUD_TLS_CLIENT_CA": "tls.client_ca",
    "SENSORIUM_GATEWAY_TLS_CERTIFICATE": "gateway.tls.certificate",
    "SENSORIUM_GATEWAY_TLS_KEY": "gateway.tls.key",
    "REDIS_URL": "redis.url",
    "SENSORIUM_TRACE_ENDPOINT": "trace.endpoint",
}
_PEM: Final = "-----BEGIN"
_ANY_HOST: Final = frozenset(("", "0.0.0.0", "::"))  # noqa: S104 - nothing is bound to them here
_LEAST_STORE_BYTES: Final = 80 << 20
"""Ray refuses less."""
_LEAST_MESSAGE_BYTES: Final = limits.MEDIA_BYTES + (1 << 18)

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
_LONGEST_S: Final = 1e8
"""Three years: what is counted in nanoseconds has to be finite."""
Seconds = Annotated[float, Meta(gt=0, le=_LONGEST_S)]
Origin = Annotated[str, Meta(pattern=r"^(\*|null|[a-z][a-z0-9+.-]*://[^/\s]+)$")]
PerSecond = Annotated[float, Meta(ge=0.001, le=1e9)]


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where devices reach the service."""

    host: Annotated[str, Meta(description="address to listen on; 0.0.0.0 is every IPv4 address")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port; 0 takes a free one")] = 50051
    workers: Annotated[int, Meta(ge=0, le=256, description="processes; 0 is one for each processor")] = 1
    max_message_bytes: Annotated[
        int, Meta(ge=_LEAST_MESSAGE_BYTES, le=64 << 20, description="largest message taken from a device")
    ] = 4 << 20
    stop_grace_s: Annotated[Seconds, Meta(description="how long streams may finish when the service stops")] = 3.0
    stream_age_s: Annotated[
        float,
        Meta(ge=0, le=_LONGEST_S, description="after so long a device is asked to choose a replica anew; 0 is never"),
    ] = 0.0
    connection_age_s: Annotated[
        float, Meta(ge=0, le=_LONGEST_S, description="after so long a connection gets a GOAWAY; 0 is never")
    ] = 0.0
    connection_grace_s: Annotated[
        Seconds, Meta(description="how long streams of a connection that got a GOAWAY may finish")
    ] = 10.0


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Encryption; without a certificate and key the service speaks plain text."""

    certificate: Annotated[str, Meta(description="PEM file of the certificate chain, or the PEM text itself")] = ""
    key: Annotated[str, Meta(description="PEM file of its private key, or the PEM text itself")] = ""
    client_ca: Annotated[
        str, Meta(description="PEM file or text of who signs the devices' certificates; if set, devices need one")
    ] = ""
    own_names: Annotated[
        bool, Meta(description="with client_ca: a device may only call itself as its certificate's common name does")
    ] = False


Provider = Literal["auto", "cpu", "cuda", "openvino", "openvino-bf16"]


class Providers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What runs each net, untried: what `auto` found on such a machine; empty: as `engine.provider` says."""

    fusion: Annotated[Provider | Literal[""], Meta(description="what runs the fusion network")] = ""
    sentences: Annotated[Provider | Literal[""], Meta(description="what reads words")] = ""
    frames: Annotated[Provider | Literal[""], Meta(description="what looks at pictures")] = ""


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What does the work, how much at once, and how much may wait."""

    kind: Annotated[
        Literal["embedded", "ray"], Meta(description="where the work is done: in this process, or on a Ray cluster")
    ] = "embedded"
    provider: Annotated[
        Provider,
        Meta(description="what runs fusion and encoders; auto: for each what is fastest here and answers the same"),
    ] = "auto"
    providers: Providers = Providers()
    max_batch: Annotated[Count, Meta(description="windows fused together at most")] = 128
    max_waiting: Annotated[Count, Meta(description="windows in the service at most; more are asked to come later")] = (
        1024
    )
    max_waiting_pictures: Annotated[Count, Meta(description="windows waiting for the picture encoder at most")] = 128
    max_in_flight: Annotated[Count, Meta(description="unanswered windows of one stream at most")] = 64
    patience_s: Annotated[Seconds, Meta(description="a window that waited longer is asked to come later")] = 2.0


class Ray(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cluster that does the work where engine.kind is ray; needs the extra `ray`."""

    address: Annotated[
        str, Meta(description="HOST:PORT of a cluster to join; empty: one is started, for this machine only")
    ] = ""
    min_replicas: Annotated[Count, Meta(description="processes of each kind at least")] = 1
    max_replicas: Annotated[Count, Meta(description="processes of each kind at most")] = 4
    batches: Annotated[Count, Meta(description="batches a process has at once; with more, another starts")] = 2
    cpus: Annotated[Seconds, Meta(description="processors for each process of a cluster that is joined")] = 1.0
    object_store_bytes: Annotated[
        int, Meta(ge=_LEAST_STORE_BYTES, description="memory of the cluster that is started for what crosses")
    ] = 256 << 20


class Encoders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What turns words and pictures into vectors."""

    max_sentences: Annotated[Count, Meta(description="newest texts of a window that are read")] = 16
    max_pictures: Annotated[Count, Meta(description="newest pictures of a window that are looked at")] = 4
    speech: Annotated[
        Literal["off", "whisper"], Meta(description="what hears words in clips; whisper needs the extra `whisper`")
    ] = "off"
    max_clips: Annotated[Count, Meta(description="newest clips of a window that are listened to")] = 1
    clip_s: Annotated[float, Meta(gt=0, le=30, description="beginning of a clip that is listened to")] = 10.0
    remember_sentences: Annotated[Count, Meta(description="sentences whose vectors are kept")] = 4096
    remember_pictures: Annotated[Count, Meta(description="pictures whose vectors are kept")] = 1024
    threads: Annotated[Count, Meta(description="threads within one encoder")] = 1


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is remembered so that nothing is fused twice."""

    folder: Annotated[str, Meta(description="where it is kept; empty: in memory, forgotten when the service stops")] = (
        ""
    )
    retention_s: Annotated[Count, Meta(description="how long an answer is remembered")] = 3600
    max_answers: Annotated[Count, Meta(description="how many answers are remembered")] = 50_000


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may use the gateway; where there are none, everybody who reaches it may."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$", description="of the token: printf %s TOKEN | sha256sum")]
    tenant: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]*$", max_length=40, description="whose sessions these are")] = ""
    sessions: Annotated[tuple[str, ...], Meta(min_length=1, description="which of them; * is anything")] = ("*",)
    may: Annotated[tuple[Right, ...], Meta(min_length=1, description="what is allowed")] = tuple(Right)


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """WebSocket and HTTP, for browsers, scripts, load balancers and Prometheus."""

    enabled: Annotated[bool, Meta(description="whether there is one")] = False
    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port; 0 takes a free one")] = 8080
    tokens: Annotated[tuple[Token, ...], Meta(description="who may use it")] = ()
    tokens_file: Annotated[str, Meta(description="TOML file of more [[tokens]]: a mounted secret")] = ""
    origins: Annotated[
        tuple[Origin, ...], Meta(description="pages that may use it; empty: any with a token, else this machine's")
    ] = ()
    tls: Annotated[Tls, Meta(description="a certificate of its own; without one it has the service's")] = Tls()


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway's `tokens_file` holds."""

    tokens: Annotated[tuple[Token, ...], Meta(min_length=1)]


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port for Prometheus alone, which nobody else has to reach."""

    enabled: Annotated[bool, Meta(description="whether there is one; if not, /metrics is at the gateway's")] = False
    host: Annotated[str, Meta(description="address to listen on; in the clear, without tokens")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port; 0 takes a free one")] = 9464


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened in sessions, for who comes later or follows along."""

    retention_s: Annotated[Count, Meta(description="how long it is kept")] = 3600
    max_bytes: Annotated[
        int,
        Meta(ge=1 << 20, description="how large its file in state.folder may be, or it in memory; the oldest give way"),
    ] = 256 << 20


class Redis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What replicas share: answers, how far spools have come, and history. While it is away they go on without."""

    url: Annotated[str, Meta(description="redis://HOST:PORT/NUMBER; or REDIS_URL; empty: nothing is shared")] = ""
    patience_s: Annotated[Seconds, Meta(description="how long an answer waits for it")] = 0.05


class Fusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a symbol may mean."""

    vocabulary: Annotated[str, Meta(description="TOML file of concepts; empty: the built-in ones")] = ""


class Trace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where each window's time went, for an OpenTelemetry collector; needs the extra `trace`."""

    endpoint: Annotated[str, Meta(description="http://HOST:4317, a collector's gRPC; empty: no traces")] = ""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one client may ask for; in each process."""

    streams: Annotated[Count, Meta(description="gRPC streams of one device at once")] = 16
    windows_per_s: Annotated[
        float,
        Meta(ge=0, le=1e9, description="windows of one device; bursts of two seconds' worth; 0: all that can be done"),
    ] = 0.0
    hello_s: Annotated[
        float, Meta(ge=0, le=_LONGEST_S, description="how long a stream may take to say whose it is; 0 is for ever")
    ] = 10.0
    idle_s: Annotated[
        float, Meta(ge=0, le=_LONGEST_S, description="a stream that is silent for so long is ended; 0 is never")
    ] = 0.0
    connections: Annotated[Count, Meta(description="WebSockets and event streams of one tenant at once")] = 1000
    events_per_s: Annotated[PerSecond, Meta(description="events of one WebSocket; bursts of two seconds' worth")] = (
        500.0
    )
    requests_per_s: Annotated[PerSecond, Meta(description="HTTP requests of one tenant")] = 100.0


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fusing less; docs/operate.md says what it is worth."""

    entries: Annotated[int, Meta(ge=0, description="windows whose evidence is remembered exactly; 0 is off")] = 0
    shared: Annotated[bool, Meta(description="whether they are looked for in Redis too")] = False
    ttl_s: Annotated[Count, Meta(description="how long Redis keeps them")] = 600
    similar: Annotated[
        float, Meta(ge=0, le=1, description="least cosine to a session's last window to repeat its answer; 0 is off")
    ] = 0.0
    similar_s: Annotated[Seconds, Meta(description="how old the window may be whose answer is repeated")] = 2.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of sensorium-cloud."""

    device_name: Annotated[str, Meta(max_length=limits.NAME_BYTES // 4, description="name of this service")] = ""
    listen: Listen = Listen()
    tls: Tls = Tls()
    engine: Engine = Engine()
    ray: Ray = Ray()
    encoders: Encoders = Encoders()
    state: State = State()
    fusion: Fusion = Fusion()
    gateway: Gateway = Gateway()
    metrics: Metrics = Metrics()
    history: History = History()
    redis: Redis = Redis()
    cache: Cache = Cache()
    limits: Limits = Limits()
    trace: Trace = Trace()

    @property
    def name(self) -> str:
        """How the service calls itself: as told, or as the machine is called."""
        return self.device_name or socket.gethostname()[: limits.NAME_BYTES // 4] or "cloud"

    @property
    def gateway_tls(self) -> Tls:
        """What the gateway encrypts with: its own certificate, else the service's; that asks nobody for theirs."""
        own = self.gateway.tls
        return own if own.certificate else Tls(certificate=self.tls.certificate, key=self.tls.key)


def load(path: Path | None, environ: Mapping[str, str], told: Mapping[str, Any] = NOTHING) -> Settings:
    """The settings in ``path`` (the defaults if None), with secrets from the environment.

    Args:
        path: the file.
        environ: the environment.
        told: values by key path that win over both: what the command line says.

    Raises:
        SettingsError: the file cannot be read, or something in it cannot be used.
    """
    where = str(path) if path else "settings"
    overrides = {**settings.from_environment(environ, _SECRETS), **told}
    text = settings.read_text(path, "name another file with --config") if path else ""
    found = settings.decode(text, Settings, where=where, overrides=overrides)
    return _checked(_with_tokens(found), where)


def _with_tokens(found: Settings) -> Settings:
    """``found`` with the tokens that are in a file of their own."""
    gateway = found.gateway
    if not gateway.tokens_file:
        return found
    text = settings.read_text(Path(gateway.tokens_file), "name a file of tokens in gateway.tokens_file")
    more = settings.decode(text, Tokens, where=gateway.tokens_file).tokens
    together = msgspec.structs.replace(gateway, tokens=(*gateway.tokens, *more))
    return msgspec.structs.replace(found, gateway=together)


def _checked(found: Settings, where: str) -> Settings:
    """``found``, if its parts fit together and its files are there."""
    _check_tls(found.tls, "tls", where)
    _check_tls(found.gateway.tls, "gateway.tls", where)
    if found.gateway.enabled and not found.gateway.tokens and not _is_loopback(found.gateway.host):
        reason = "needed where others can reach the gateway: add [[gateway.tokens]], or listen on 127.0.0.1"
        raise SettingsError(where, "gateway.tokens", reason)
    if len({bool(token.tenant) for token in found.gateway.tokens}) > 1:
        reason = "give all of them a tenant, or none: one without could name the sessions of another's"
        raise SettingsError(where, "gateway.tokens", reason)
    _check_ports(found, where)
    _check_schemes(found, where)
    if found.ray.max_replicas < found.ray.min_replicas:
        raise SettingsError(where, "ray.max_replicas", f"at least ray.min_replicas, {found.ray.min_replicas}")
    if found.fusion.vocabulary and not Path(found.fusion.vocabulary).is_file():
        raise SettingsError(where, "fusion.vocabulary", f"no such file: {found.fusion.vocabulary}")
    return found


def _check_ports(found: Settings, where: str) -> None:
    """Workers share their ports: who had two of them alike would hear now what was for the one, now for the other."""
    places: dict[str, Listen | Gateway | Metrics] = {"listen": found.listen}
    places |= {"gateway": found.gateway} if found.gateway.enabled else {}
    places |= {"metrics": found.metrics} if found.metrics.enabled else {}
    for (first, one), (second, other) in combinations(places.items(), 2):
        alike = one.host == other.host or not _ANY_HOST.isdisjoint((one.host, other.host))
        if one.port == other.port != 0 and alike:
            raise SettingsError(where, f"{second}.port", f"{first}.port is {one.port} too: give another")


def _check_schemes(found: Settings, where: str) -> None:
    """Addresses are not repeated in what is said: there may be a password in them."""
    for key, value, schemes in (
        ("redis.url", found.redis.url, ("redis://", "rediss://", "unix://")),
        ("trace.endpoint", found.trace.endpoint, ("http://", "https://")),
    ):
        if value and not value.startswith(schemes):
            raise SettingsError(where, key, f"begins with {' or '.join(schemes)}")
    url = found.redis.url
    number = "" if url.startswith("unix://") else urlsplit(url).path.strip("/") if _is_address(url) else "?"
    if number and not number.isdecimal():
        raise SettingsError(where, "redis.url", "its port or number is none: write redis://HOST:PORT/NUMBER")
    if not _is_address(found.trace.endpoint):
        raise SettingsError(where, "trace.endpoint", "its port is none: write http://HOST:PORT")


def _is_address(url: str) -> bool:
    """Whether the port of ``url`` is one, if it has any."""
    try:
        return (urlsplit(url).port or 1) > 0
    except ValueError:
        return False


def _check_tls(tls: Tls, table: str, where: str) -> None:
    for key, needs in (("certificate", "key"), ("key", "certificate"), ("client_ca", "certificate")):
        if getattr(tls, key) and not getattr(tls, needs):
            raise SettingsError(where, f"{table}.{key}", f"needs {table}.{needs} too")
        pem(getattr(tls, key), f"{table}.{key}", where)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def pem(value: str, key: str, where: str = "settings") -> bytes:
    """The PEM text a setting holds or names; empty if the setting is.

    Raises:
        SettingsError: no such file, or not PEM.
    """
    if not value or value.startswith(_PEM):
        return value.encode()
    try:
        found = Path(value).read_bytes()
    except OSError as error:
        raise SettingsError(where, key, f"{value}: {error.strerror}") from error
    if _PEM.encode() not in found:
        raise SettingsError(where, key, f"{value}: not a PEM file")
    return found
