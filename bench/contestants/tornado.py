"""Contestant: Perspective's own handler for Tornado, in Python."""

import argparse
import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from perspective import Server
from perspective.handlers.tornado import PerspectiveTornadoHandler
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

TABLE = "data_source_one"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--index")
    parser.add_argument("--threads", action="store_true")
    return parser.parse_args()


async def main(args):
    server = Server()
    with open(args.data, "rb") as file:
        options = {"index": args.index} if args.index else {}
        server.new_local_client().table(file.read(), name=TABLE, **options)
    handler_options = {"perspective_server": server}
    if args.threads:
        handler_options["executor"] = ThreadPoolExecutor()
    app = Application([(r"/", PerspectiveTornadoHandler, handler_options)])
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(app).add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    print(json.dumps({"ready": True, "port": port}, separators=(",", ":")), flush=True)
    await asyncio.Event().wait()


asyncio.run(main(arguments()))
