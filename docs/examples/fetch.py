"""Fetches deliveries from a mailbox of the hub over AMQP, keeps each in a folder, and acknowledges it.

Usage: python3 fetch.py amqps://ACCOUNT:PASSWORD@BROKER:5671/liandong ENDPOINT FOLDER [COUNT]

Runs until it is stopped, or until COUNT deliveries are kept. Needs pika 1.2 or later,
and keep.py beside it.
"""

import sys
import time

import pika
from keep import keep


def take_out(connection, account, endpoint, folder, count):
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=50)
    for method, properties, body in channel.consume(f"liandong.mailbox.{endpoint}"):
        keep(folder, properties.message_id, body)
        answer = pika.BasicProperties(user_id=account, correlation_id=properties.correlation_id, delivery_mode=2)
        channel.basic_publish("liandong.answer", endpoint, b"", answer, mandatory=True)  # empty: it is here
        channel.basic_ack(method.delivery_tag)
        print(properties.message_id, properties.headers["liandong-kind"], flush=True)
        count -= 1
        if count == 0:
            channel.cancel()
            return


def main(url, endpoint, folder, count="-1"):
    parameters = pika.URLParameters(url)
    while True:
        try:
            with pika.BlockingConnection(parameters) as connection:
                take_out(connection, parameters.credentials.username, endpoint, folder, int(count))
                return
        except pika.exceptions.AMQPError as error:  # the broker is away, or did not take the answer
            print(f"{error!r}", file=sys.stderr)
            time.sleep(5)  # what was not acknowledged comes again


if __name__ == "__main__":
    main(*sys.argv[1:])
