"""Passwords in files, tags and command lines."""

from __future__ import annotations

import pytest

from processors.synthesize.writer.masking.masker import found
from processors.synthesize.writer.masking.passwords import passwords

HITS = [
    ('{"user": "anna", "password": "Sunflower19"}', "Sunflower19"),
    ('"password":"sunflower"', "sunflower"),
    ('{\\"password\\": \\"Sunflower19\\"}', "Sunflower19"),
    ("<password>sunflower</password>", "sunflower"),
    ('<db:userPassword type="text">\n  sun flower\n</db:userPassword>', "sun flower"),
    ('<add key="password" value="sunflower"/>', "sunflower"),
    ('{"name": "DB_PASSWORD", "value": "sunflower"}', "sunflower"),
    ("Server=x;User Id=sa;Pwd=Sunflower19;", "Sunflower19"),
    ("mysql -u root -pSunflower19 shop", "Sunflower19"),
    ("mysqldump -h 10.20.20.20 -p'sun flower' shop", "sun flower"),
    ("curl -u anna:sunflower https://intranet.example", "sunflower"),
    ("curl -s --user 'anna:sunflower' https://intranet.example", "sunflower"),
    ("sshpass -p sunflower ssh root@10.20.20.20", "sunflower"),
    ("plink -ssh root@10.20.20.20 -pw sunflower", "sunflower"),
    ("smbclient //srv/share -U anna%sunflower", "sunflower"),
    ("tool --password sunflower --verbose", "sunflower"),
    ("Connect-Thing -Password sunflower", "sunflower"),
    ('ConvertTo-SecureString "sunflower" -AsPlainText -Force', "sunflower"),
    ("net use z: \\\\srv\\x /user:anna Sunflower19", "Sunflower19"),
    ("net use z: \\\\srv\\x Sunflower19 /user:anna", "Sunflower19"),
    ("net user anna Sunflower19 /add", "Sunflower19"),
]
NEAR_MISSES = [
    "curl -I https://intranet.example/path",
    "mysql -u root -p",
    "net use z: \\\\srv\\x /persistent:yes",
    "net user anna /domain",
    "psexec -u admin cmd",
    "<password></password>",
    "tool --password --verbose",
    "robocopy a b /z -U 10%",
]


@pytest.mark.parametrize(("text", "secret"), HITS)
def test_a_password_is_found(text: str, secret: str) -> None:
    [span] = found(text, (passwords,))
    assert secret in text[span.start : span.end]
    assert len(text[span.start : span.end]) <= len(secret) + 5, "what is around it stays"


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_commands_without_one_stay(text: str) -> None:
    assert [text[span.start : span.end] for span in found(text, (passwords,))] == []
