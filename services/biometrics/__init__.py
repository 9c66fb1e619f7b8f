"""Is this the person on the card, alive, now?"""

import os

# ONNX Runtime from 1.29 on reports its use to its maker unless it is told before it is first imported
# (github.com/microsoft/onnxruntime/pull/27379). Nothing leaves this service but its own events.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
