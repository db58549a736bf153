"""stream: the runner. It owns once what every stage needs: consume, verify, decode, lanes, commit, hold, publish, dead letter."""
