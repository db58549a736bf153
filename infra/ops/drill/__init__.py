"""drill: a P1 to practise on, on a local stack of its own: at the morning peak the backlog grows while workers crash.

plan       who plays, how fast, and for how long at most
ground     the stack of the drill, its tenants, and what commands see; nothing of it is anybody else's
traffic    the morning's tickets, and the flood
fault      workers are killed as the kernel kills those that run out of memory
observing  what really happens: who waits, and which alerts arrive
incident   what a responder can do, and when it was done
person     a responder at a terminal
runbooks   a responder that acts by the runbooks
facts      the timeline
impact     what it did to tickets
score      against the targets
report     for people, scripts, and the postmortem's draft
run        all of it in order
"""
