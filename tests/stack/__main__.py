"""`python -m tests.stack`: fetch Apache Kafka's jars, or say what is missing and exit with status 3."""

import sys

from tests.stack.kafka import CANNOT_RUN, KafkaUnavailableError, kafka_jars, kafka_version

if __name__ == "__main__":
    try:
        jars = kafka_jars()
    except KafkaUnavailableError as error:
        print(f"NOT RUN ({error.type}): {error}", file=sys.stderr)
        sys.exit(CANNOT_RUN)
    print(f"Apache Kafka {kafka_version()} is in {jars}")
