"""Passwords in words: what is one, and what only looks so."""

from __future__ import annotations

import pytest

from processors.synthesize.writer.masking.masker import found
from processors.synthesize.writer.masking.passwords import passwords

HITS = [
    ("His password is Sunflower-19 in case you need it.", "Sunflower-19"),
    ("my password is sunflower", "sunflower"),
    ("Password: hunter2", "hunter2"),
    ("PW: Sommer2024!, bitte testen", "Sommer2024!"),
    ("pwd=Tr0ub4dor&3", "Tr0ub4dor&3"),
    ("Das Passwort lautet Winterreifen7.", "Winterreifen7"),
    ("Kennwort ist jetzt Blau!wal", "Blau!wal"),
    ('passphrase: "correct horse battery staple"', '"correct horse battery staple"'),
    ("Passwort für Drucker: Toner77x", "Toner77x"),
    ("password for admin is Maple_44", "Maple_44"),
    ("the password was changed to Maple_44 today", "Maple_44"),
    ("old password Herbst2025 does not work any more", "Herbst2025"),
    ("the new password password: Maple_44", "Maple_44"),
    ("adgangskode er Hav3luft", "Hav3luft"),
    ("mot de passe : Fromage!8", "Fromage!8"),
    ("contraseña es Verano99", "Verano99"),
    ("wachtwoord is fiets123", "fiets123"),
    ("Kennwort -> Zaun_5", "Zaun_5"),
    ("my PIN is 4711", "4711"),
    ("WLAN-Schlüssel: kleinerFuchs88", "kleinerFuchs88"),
    ("pre-shared key = 9xLm-ttp0", "9xLm-ttp0"),
    ("Maple_44 is my password", "Maple_44"),
    ("login: admin / Winter!25", "Winter!25"),
    ("Zugangsdaten: scanner / Toner77x", "Toner77x"),
]

NEAR_MISSES = [
    "my password is wrong",
    "The password is not accepted since Monday",
    "password is expired",
    "Passwort ist abgelaufen",
    "Das Passwort ist falsch",
    "Outlook keeps asking password again and again",
    "password is asked for every minute",
    "reset my password please",
    "the password policy needs twelve characters",
    "Outlook keeps asking password 80090016",
    "error: the password of the account must be changed",
    "Pass: `ping -f -l 1372 10.21.10.20`",
    "pin 3 of the connector is bent",
    "password: expired",
    "user / group mapping in the VPN gateway",
    "I can't log in with my account on site A/B",
    "spinning wheel, passing by the printer",
]


@pytest.mark.parametrize(("text", "secret"), HITS)
def test_a_password_is_found_and_nothing_around_it(text: str, secret: str) -> None:
    assert [text[span.start : span.end] for span in found(text, (passwords,))] == [secret]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_words_about_passwords_stay(text: str) -> None:
    assert [text[span.start : span.end] for span in passwords(text)] == []
