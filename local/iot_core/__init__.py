"""A stand-in of AWS IoT Core for one machine: MQTT broker, device shadows, topic rules, credential provider.

Unmodified clients work against it: any MQTT 3.1.1 client, and the AWS SDK's `iot-data`. It is for development and
tests: it checks no certificate and no policy. Imports nothing of the product.
"""

from local.iot_core.broker import BrokerLimits, Overlap
from local.iot_core.iot_core import IotCore
from local.iot_core.iot_data_app import serves
from local.iot_core.message import Message
from local.iot_core.presence import Connection
from local.iot_core.rules import RuleCounts, RuleMessage
from local.iot_core.shadow import Refused

__all__ = [
    "BrokerLimits",
    "Connection",
    "IotCore",
    "Message",
    "Overlap",
    "Refused",
    "RuleCounts",
    "RuleMessage",
    "serves",
]
