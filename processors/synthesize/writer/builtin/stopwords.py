"""Words that say nothing about a fault: function words of English and German, and the small talk of tickets."""

from __future__ import annotations

_ENGLISH = """
a about above after again against all already also always am an and another any anybody anyone anything are aren't
around as ask at away back be because been before being below between both but by call called came can can't cannot
check come comes could couldn't did didn't do does doesn't doing don't done down during each either else end even
every everybody everyone everything far few find first for from full further get gets getting give given go goes
going gone good got had happen happened happens has have haven't having he help her here him his how i if i'm in
into is isn't it it's its itself just keep know last later least left let like little long look looked looks lot
made make makes many may maybe me mean means might minute minutes more morning most much must my need needed needs
never new next no nobody none not nothing now of off often ok okay old on once one only or other others our out over
own part people please pls possible problem put quite rather really reply right said same saw say says see seem
seems seen sent she should show shows side since so some somebody someone something sometimes soon still stop such
sure take taken tell than thank thanks that that's the their them then there these they thing things think this
those though three through thu time times to today told tomorrow tonight too took tried tries try trying turn two
under until up upon us use used user users uses using usual usually very want wants was wasn't way we week weeks
well went were what when where whether which while who whole whom why will with within without won't word work
worked working works would wouldn't write wrong year yes yesterday yet you your hour hours day days start started
starts set monday tuesday wednesday thursday friday saturday sunday hello dear regards hi best kind issue team
"""
_GERMAN = """
aber alle allem allen aller alles als also am an andere auch auf aus bei beim bin bis bitte da damit dann das dass
dein dem den der des die dies diese dieser doch dort du durch ein eine einem einen einer eines er es etwas für gegen
geht gemacht gerade gibt guten habe haben hallo hat hatte heute hier hilfe ich ihr ihre im immer in ist ja jetzt
kann kein keine kommt können könnten mal man mehr mein mich mir mit morgen muss müssen nach nicht nichts noch nur
oder ohne schon sehr sein seit selbst sich sie sind so soll tag über um und uns unser unter vom von vor wann warum
was weg weil welche wenn wer werden wie wieder will wir wird wo wurde zu zum zur
"""
STOPWORDS = frozenset(_ENGLISH.split()) | frozenset(_GERMAN.split())
