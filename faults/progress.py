"""What the laboratory says while it works: one line for each event, on standard error."""

import sys
import time


def tell(sentence: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")
    sys.stderr.flush()
