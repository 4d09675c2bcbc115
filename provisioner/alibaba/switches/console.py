"""The attended driver: a person clicks, the wire tells."""

from provisioner.alibaba.clients import Site
from provisioner.model.instance import EndpointState, Mode

_LINKS = {Site.CHINA: "https://mqtt.console.aliyun.com", Site.INTERNATIONAL: "https://mqtt.console.alibabacloud.com"}


class ConsoleSwitch:
    """Implements ``ports.EndpointSwitch`` by saying what to click, in the words of the public guide.

    The only driver known to work for everybody. Its rollback is attended too.
    """

    attended = True

    def __init__(self, site: Site) -> None:
        self._link = _LINKS[site]

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Return the steps; nothing is sent."""
        head = (
            f"Open {self._link} and choose the region {region}. / 打开控制台，选择地域 {region}。",
            f"Instances: click {instance_id}. / 实例列表：点击 {instance_id}。",
            "Left side: Certificates > Server Certificate. / 左侧：证书管理 > 服务器证书。",
        )
        if target.mode is Mode.ONE_WAY:
            return (
                *head,
                "Click One-way Authentication, read the message, click OK. / 点击单向认证，阅读提示，点击确定。",
            )
        leaf = (target.leaf or "")[:16]
        enable = f"In the row of certificate {target.identifier} (name ends in {leaf}): Enable Service."
        enable_zh = f"在证书 {target.identifier}（名称以 {leaf} 结尾）一行：启用服务。"
        confirm = "Read the message (the instance restarts, every client is disconnected), click OK."
        confirm_zh = "阅读提示（实例将重启，所有客户端会断开），点击确定。"
        return (
            *head,
            "Click the tab Mutual Authentication. / 点击页签双向认证。",
            f"{enable} / {enable_zh}",
            f"{confirm} / {confirm_zh}",
        )
