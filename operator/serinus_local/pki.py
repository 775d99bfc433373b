"""One certificate authority per state folder, and what the Kubernetes programs need from it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

ADMIN = "admin"
USERS = {
    ADMIN: ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kubelet": ("system:node:node0", "system:nodes"),
    "istiod": ("istiod", "system:masters"),
    "prometheus": ("prometheus", ""),
}


class Pki:
    """Certificates, the key of service accounts and the users' tokens, made once per state folder.

    The server's certificate is for these addresses, for its own names and for `names`.
    """

    def __init__(self, state: Path, addresses: Sequence[str], names: Sequence[str] = ()) -> None:
        self.folder = state / "pki"
        self._addresses = addresses
        self._names = ("localhost", "kubernetes.default.svc", *names)
        if not (self.folder / "tokens.csv").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            self._make()

    def file(self, name: str) -> str:
        """Return the path of one of the files as an argument for a program."""
        return str(self.folder / name)

    def token(self, user: str) -> str:
        """Return the static token of one of `USERS`."""
        return (self.folder / f"{user}.token").read_text()

    def _make(self) -> None:
        self._key("ca")
        self._openssl(
            "req", "-x509", "-new", "-key", self.file("ca.key"), "-days", "3650", "-subj", "/CN=serinus-local",
            "-addext", "basicConstraints=critical,CA:TRUE", "-out", self.file("ca.crt"),
        )  # fmt: skip
        names = ",".join([*(f"IP:{each}" for each in self._addresses), *(f"DNS:{name}" for name in self._names)])
        self._certificate("apiserver", "/CN=kube-apiserver", f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        self._certificate(
            "kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", "extendedKeyUsage=clientAuth\n"
        )
        self._openssl("genrsa", "-out", self.file("service-account.key"), "2048")
        self._tokens()

    def _tokens(self) -> None:
        lines = []
        for user, (name, group) in USERS.items():
            token = secrets.token_hex(16)
            (self.folder / f"{user}.token").write_text(token)
            lines.append(f'{token},{name},{name},"{group}"' if group else f"{token},{name},{name}")
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    def _key(self, name: str) -> None:
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file(f"{name}.key"))

    def _certificate(self, name: str, subject: str, extensions: str) -> None:
        self._key(name)
        (self.folder / f"{name}.ext").write_text(extensions)
        self._openssl(
            "req", "-new", "-key", self.file(f"{name}.key"), "-subj", subject, "-out", self.file(f"{name}.csr")
        )
        self._openssl(
            "x509", "-req", "-in", self.file(f"{name}.csr"), "-CA", self.file("ca.crt"), "-CAkey", self.file("ca.key"),
            "-CAcreateserial", "-days", "3650", "-extfile", self.file(f"{name}.ext"), "-out", self.file(f"{name}.crt"),
        )  # fmt: skip

    def _openssl(self, *arguments: str) -> None:
        answer = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]} failed: {answer.stderr}")
