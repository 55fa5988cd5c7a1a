"""Memory of an idle connection: opens 10,000 of them and divides what the server grew by."""

from load import Server, raise_descriptor_limit

CONNECTIONS, GOAL = 10_000, 1024


def main():
    count = min(CONNECTIONS, raise_descriptor_limit(CONNECTIONS + 500) - 400)
    with Server() as server:
        warm = [server.connect() for _ in range(100)]
        before = server.memory()
        idle = [server.connect() for _ in range(count)]
        each = (server.memory() - before) / len(idle)
        print(f"{len(idle)} idle ws connections: {each:.0f} bytes of user space each (goal {GOAL})")
        for sock in warm + idle:
            sock.close()


if __name__ == "__main__":
    main()
