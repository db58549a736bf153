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
    ("PAſSWORD: hunter2", "hunter2"),  # letters that are alike but for their case in Unicode
    ("P\u0131N: 4711", "4711"),
    ("dbPw = Maple_44", "Maple_44"),
    ("Zugangsdaten: scanner / Toner77x", "Toner77x"),
    # on a line of its own
    ("Password:\nSunflower-19!", "Sunflower-19!"),
    ("Password\r\n\r\nSunflower-19!", "Sunflower-19!"),
    ("Passwort:\n  sommer", "sommer"),
    ("> Password:\n> Sunflower-19!", "Sunflower-19!"),
    # signs
    ("Mot de passe\u00a0: Soleil42", "Soleil42"),
    ("Mot de passe\u202f:\u00a0soleil", "soleil"),
    ("Password - Sunflower19", "Sunflower19"),
    ("Password – sunflower", "sunflower"),
    ("New password – sunflower", "sunflower"),
    ("| Password | Sunflower19 |", "Sunflower19"),
    ("**Password:** Sunflower19", "Sunflower19"),
    ("Password (temporary): Sunflower19", "Sunflower19"),
    ("Passwort neu: Sommer2024", "Sommer2024"),
    ("Password: spring", "spring"),
    ("password: hunted", "hunted"),
    ("Password: my dog rex", "my dog rex"),
    ("Password: correct horse battery staple", "correct horse battery staple"),
    ("pass: sunflower", "sunflower"),
    ("user: anna pass: Sunflower19", "Sunflower19"),
    # tails of longer words
    ("DB_PASSWORD=Sunflower19", "Sunflower19"),
    ("export PGPASSWORD=Sunflower19", "Sunflower19"),
    ("userPassword=Sunflower19", "Sunflower19"),
    ("userPwd=Sunflower19", "Sunflower19"),
    ("db_pass=Sunflower19", "Sunflower19"),
    ("admin-password: X-quer7", "X-quer7"),
    ("Admin-Passwort: Sommer2024", "Sommer2024"),
    ("Benutzerpasswort: Sommer2024", "Sommer2024"),
    ("Windows-Kennwort: Sommer2024", "Sommer2024"),
    ("Passwörter: Sommer2024", "Sommer2024"),
    # whose it is, and what became of it
    ("password for my laptop is Sunflower19", "Sunflower19"),
    ("My password for the router is Heron-Creek-7", "Heron-Creek-7"),
    ("the password for user anna is sunflower", "sunflower"),
    ("password for the VPN account is Sunflower19", "Sunflower19"),
    ("password changed to sunflower", "sunflower"),
    ("my new password will be Sunflower19", "Sunflower19"),
    ("passwords are Sunflower19 for both", "Sunflower19"),
    # languages
    ("A senha é Verao2024", "Verao2024"),
    ("Heslo je Leto2024", "Leto2024"),
    ("Lösenordet är Sommar2024", "Sommar2024"),
    ("Salasana on kesa", "kesa"),
    ("Parola este Vara2024", "Vara2024"),
    ("пароль: Лето2024", "Лето2024"),
    ("Пароль для входа: лето", "лето"),
    ("şifre: Yaz2024", "Yaz2024"),
    ("ŞİFRE: Yaz2024", "Yaz2024"),
    ("パスワード：Natsu2024!", "Natsu2024!"),
    ("パスワードはNatsu2024です", "Natsu2024"),
    ("密码：Xiatian2024", "Xiatian2024"),
    ("Jelszó: nyar", "nyar"),
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
    "the password expired yesterday",
    "my password again and again!",
    "I forgot my password. Can you help?",
    "password policy",
    "The user's password was changed last week",
    "The password will be reset by IT tomorrow",
    "password is set to expire after 90 days",
    "password for user anna is not accepted since 2026-03-04",
    "reset password for user: anna.smith",
    "password on qml-dc01 is out of sync",
    "password at 10.20.20.20 was changed",
    "Password reset: ticket 52101",
    "password reset INC-12345",
    "Problem with the password - urgent",
    "Password: doesn't work since Monday",
    "Password: wrong",
    "asks for the password: the window comes back",
    "asks for a password:\n- step one\n- step two",
    "the error about the password:\nInvalid credentials for the domain",
    "Password:\nUsername:",
    "Please reset my password\nqml-dc01\n",
    "Das Passwort läuft am 04.03.2026 ab",
    "Passwort wird beim Anmelden abgefragt",
    "Passwort es geht nicht",
    "j'ai oublié mon mot de passe je voudrais le changer",
    "passwordless sign-in, password-protected files, password_hash",
    "pass: 12 of 14 tests",
    "bypass: yes",
    "Temporary Access Pass: one-time, valid for an hour",
    "password: (password removed), password is {PASSWORD_1}",
]


@pytest.mark.parametrize(("text", "secret"), HITS)
def test_a_password_is_found_and_nothing_around_it(text: str, secret: str) -> None:
    assert [text[span.start : span.end] for span in found(text, (passwords,))] == [secret]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_words_about_passwords_stay(text: str) -> None:
    assert [text[span.start : span.end] for span in passwords(text)] == []
