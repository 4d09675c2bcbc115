"""Alibaba Cloud: the only user of its SDKs, which are imported when the first call is made.

Every call goes through the SDK's own signed ``call_api``; SDK exceptions end here, because theirs hold URL and
parameters.
"""

from provisioner.alibaba.certificates import AlibabaHostedCertificates
from provisioner.alibaba.clients import AccessKey, AccountClients, ApiEndpoints, Site
from provisioner.alibaba.device_cas import AlibabaDeviceCARegistry, AlibabaDeviceCAs
from provisioner.alibaba.instances import AlibabaInstances
from provisioner.alibaba.sessions import AlibabaSessions

__all__ = [
    "AccessKey",
    "AccountClients",
    "AlibabaDeviceCARegistry",
    "AlibabaDeviceCAs",
    "AlibabaHostedCertificates",
    "AlibabaInstances",
    "AlibabaSessions",
    "ApiEndpoints",
    "Site",
]
