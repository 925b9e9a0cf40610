"""Publishes a message to the hub over AMQP and waits for its receipt.

Usage: python3 publish.py amqps://ACCOUNT:PASSWORD@BROKER:5671/liandong ENDPOINT KIND MESSAGE.json
As in: python3 publish.py ... hanbin-spj approval.result approval-result.json

Writes the receipt to receipt.json and ends with 0; tells the refusal and ends with 65; ends with 75 when no answer
came, or the broker takes nothing now: the same is to be sent again then. Needs pika 1.2 or later.
"""

import json
import sys

import pika

SECONDS_FOR_AN_ANSWER = 60


def publish(channel, account, endpoint, kind, message, answers):
    number = message["businessKey"]  # any word that tells the answer of one message from that of another
    event = {"specversion": "1.0", "type": f"liandong.{kind}", "id": number, "source": endpoint, "data": message}
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=2,
        user_id=account,
        reply_to=answers,
        correlation_id=number,
    )
    body = json.dumps(event, ensure_ascii=False).encode()
    channel.basic_publish("liandong.intake", endpoint, body, properties, mandatory=True)  # raises if it is not queued
    return number


def answer_to(channel, answers, number):
    for method, properties, body in channel.consume(answers, inactivity_timeout=SECONDS_FOR_AN_ANSWER):
        if method is None:
            return None
        if properties.correlation_id == number:
            # A real system keeps the receipt durably before it acknowledges.
            channel.basic_ack(method.delivery_tag)
            return properties.content_type, body
        # An answer to something sent earlier. A real system keeps it too, by its correlation id.
        channel.basic_ack(method.delivery_tag)


def exchange(parameters, endpoint, kind, message):
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        answers = channel.queue_declare(f"{endpoint}.answers", durable=True).method.queue
        number = publish(channel, parameters.credentials.username, endpoint, kind, message, answers)
        return answer_to(channel, answers, number)


def main(url, endpoint, kind, path):
    with open(path, encoding="utf-8") as file:
        message = json.load(file)
    try:
        answer = exchange(pika.URLParameters(url), endpoint, kind, message)
    except pika.exceptions.AMQPError as error:  # the broker is away, or took nothing
        answer = None
        print(f"{error!r}", file=sys.stderr)
    if answer is None:
        print("no answer yet, send it again", file=sys.stderr)
        return 75
    media, body = answer
    if media == "application/problem+json":
        problem = json.loads(body)
        print(problem["code"], problem["detail"], *problem.get("faults", []), sep="\n", file=sys.stderr)
        return 65
    with open("receipt.json", "wb") as file:
        file.write(body)
    print(json.loads(body)["statement"]["id"])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
