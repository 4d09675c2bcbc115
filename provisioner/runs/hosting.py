"""Hosting: one certificate, one name, one upload."""

from provisioner.errors import NameTakenError, ServiceError, UnansweredError
from provisioner.model.certificate import HostedCertificate, Leaf
from provisioner.planning.observed import Part, hosted_copy
from provisioner.runs.seams import Reads
from provisioner.waiting import Repeater


class Host:
    """Uploads a part's certificate from the key store to Certificate Management Service, and reads it back.

    The name carries the first half of the leaf's SHA-256, and the idempotence token is derived from the same, so that
    neither a lost answer nor a second machine leads to a second copy.
    """

    def __init__(self, instance: str, part: Part, reads: Reads) -> None:
        self._instance = instance
        self._part = part
        self._reads = reads
        self._repeater = Repeater(reads.clock)

    def ensure(self, leaf: Leaf) -> tuple[HostedCertificate, bool]:
        """Return the hosted copy and whether it was uploaded now.

        Args:
            leaf: the certificate, kept in the key store.

        Raises:
            ServiceError: the service refused, or its answer stayed away and the certificate is not there.
        """
        found = hosted_copy(self._part.hosted, leaf)
        if found is not None:
            return found, False
        name = f"{self._part.hosted_prefix}{leaf.sha256[:16]}"
        try:
            return self._read_back(self._upload(name, leaf), leaf), True
        except NameTakenError:
            return self._taken(name, leaf), False
        except UnansweredError as error:
            landed = hosted_copy(self._find(name), leaf)
            if landed is None:
                failed = f"failed ({error.message})" if error.code else "got no answer"
                raise UnansweredError(
                    f"{self._instance}: the upload of {name} {failed} and is not listed; the endpoint was not touched",
                    action=error.action,
                    hint=f"provisioner apply {self._instance}",
                ) from None
            return landed, True

    def _upload(self, name: str, leaf: Leaf) -> int:
        store, certificate = self._reads.key_store, self._part.wanted.name
        chain = store.chain_pem(certificate, leaf.sha256)
        key = store.private_key_pem(certificate, leaf.sha256)
        return self._repeater.write(lambda: self._reads.hosted.upload(name, chain, key, name))

    def _read_back(self, number: int, leaf: Leaf) -> HostedCertificate:
        made = self._repeater.read(lambda: self._reads.hosted.read_back(number))
        got = made.sha256 or leaf.sha256
        if got != leaf.sha256 or (made.serial is not None and made.serial != leaf.serial):
            raise ServiceError(
                f"{self._instance}: the hosted copy is not what was uploaded: got {got[:16]}, "
                f"expected {leaf.sha256[:16]}; the endpoint was not touched",
                hint="look at the certificate in the console of Certificate Management Service",
            )
        return made

    def _find(self, name: str) -> tuple[HostedCertificate, ...]:
        return self._repeater.read(lambda: self._reads.hosted.find(name))

    def _taken(self, name: str, leaf: Leaf) -> HostedCertificate:
        listed = self._repeater.read(lambda: self._reads.hosted.find_after_name_taken(name))
        found = hosted_copy(listed, leaf)
        if found is not None and found.status != "revoked":
            return found
        state = f"a certificate of that name is {found.status}" if found else "another certificate has that name"
        raise NameTakenError(
            f"{self._instance}: hosting {name} was refused: {state}; the endpoint was not touched",
            hint=f"remove {name} in the console of Certificate Management Service, or issue anew with: provisioner "
            f"issue {self._part.wanted.name}",
        )
