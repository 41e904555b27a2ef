"""Who answers: the cloud, the broker?"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any, Final

from sensorium.errors import SensoriumError
from sensorium.settings import SettingsError
from sensorium_agent._app.broker_tls import context, way_out
from sensorium_agent._app.cloud_link import credentials
from sensorium_agent._app.doctor.result import INSTALL, Result, told
from sensorium_agent._app.settings import Cloud, Mqtt
from sensorium_agent.uplink.replicas import named

_REACH_S: Final = 3.0
_NO_ANSWER: Final = "no answer"
_CHECK: Final = "check [mqtt] host, port and tls, and whether it asks for a certificate"


def cloud(settings: Cloud) -> Result:
    """Our keys are good, and somebody listens at the fusion service's address, or at one of them."""
    try:
        places = named(settings.target)
        credentials(settings)
    except SettingsError:
        return Result("Cloud", "fail", f"{settings.target!r} is no address", "set [cloud] target to host:port")
    except SensoriumError as error:
        return told("Cloud", "fail", error)
    detail = ""
    for place in places:
        try:
            socket.create_connection(place, _REACH_S).close()
        except OSError as error:
            detail = f"{settings.target}: {error.strerror or error}"
        else:
            return Result("Cloud", "ok", settings.target)
    return Result("Cloud", "warn", detail, "windows wait in the spool; check [cloud] target and that it runs")


def broker(settings: Mqtt) -> Result:
    """The broker lets us in."""
    where = f"{settings.host}:{settings.port}"
    try:
        refused = _greeting(settings, context(settings))
    except SensoriumError as error:
        return told("Broker", "fail", error)
    except ssl.SSLError as error:
        return Result("Broker", "fail", where, way_out(error))
    except OSError as error:
        return Result("Broker", "warn", f"{where}: {error.strerror or error}", f"the agent works without; {_CHECK}")
    except ImportError:
        return Result("Broker", "fail", "paho-mqtt is not installed", INSTALL)
    if refused:
        cure = _CHECK if refused == _NO_ANSWER else "check [mqtt] username and SENSORIUM_MQTT_PASSWORD"
        return Result("Broker", "fail", f"{where}: {refused}", cure)
    return Result("Broker", "ok", where)


def _greeting(settings: Mqtt, tls: ssl.SSLContext | None) -> str:
    """Connect once; why it was refused, or nothing."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    answered, reasons = threading.Event(), list[str]()

    def on_connect(_client: paho.Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            reasons.append(str(reason))
        answered.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect_timeout = _REACH_S
    client.on_connect = on_connect
    if settings.username:
        client.username_pw_set(settings.username, settings.password or None)
    if tls is not None:
        client.tls_set_context(tls)
    client.connect(settings.host, settings.port)
    client.loop_start()
    try:
        return "" if answered.wait(_REACH_S) and not reasons else (*reasons, _NO_ANSWER)[0]
    finally:
        client.disconnect()
        client.loop_stop()
