// SPDX-License-Identifier: Apache-2.0
/*
 * The flows of the measurements, over TCP and UDP.
 *
 *   flows receive PORT COUNT SECONDS             takes that many bulk flows, and prints the seconds from the first byte
 *                                                to the last, and each flow's bytes
 *   flows send ADDRESS PORT COUNT SECONDS        sends them
 *   flows drain PORT SECONDS                     receives datagrams until none come, and prints as receive does
 *   flows flood ADDRESS PORT RATE SECONDS        sends datagrams, so many bits of payload a second
 *   flows serve PORT                             answers requests, until it is ended
 *   flows ask ADDRESS PORT INTERVAL_US SECONDS   asks now and then, and prints how long each answer took, in
 *                                                microseconds
 *
 * In C, since what is measured is a fraction of a millisecond, and in place of iperf3, which looks at all of its
 * sockets for each packet that arrives: here most of an emulated processor's time goes into the kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE 100           /* bytes of a request, and of a response */
#define CHUNK (128 * 1024) /* of bulk data, as iperf3 writes it */
#define DATAGRAM 1472      /* bytes that fill a packet of Ethernet's usual size */
#define MAX_FLOWS 256
#define COLLECT_US 2000    /* how often a receiver looks for what has arrived */

static char chunk[CHUNK];

static void fail(const char *what)
{
	fprintf(stderr, "flows: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		fail("setsockopt");
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return fd;
}

static int listen_at(struct sockaddr_in address)
{
	int fd = tcp_socket();

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, MAX_FLOWS))
		fail("listen");
	puts("ready");
	fflush(stdout);
	return fd;
}

static int connect_to(struct sockaddr_in address)
{
	int fd = tcp_socket();

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	return fd;
}

static void not_blocking(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		fail("fcntl");
}

static void receive(struct sockaddr_in address, int count, uint64_t seconds)
{
	int listener = listen_at(address), flows[MAX_FLOWS], have = 0, open = 0;
	uint64_t bytes[MAX_FLOWS] = { 0 }, first = 0, last = 0, end = 0;

	not_blocking(listener);
	while (have < count || open) {
		uint64_t now = now_us();

		if (end && now > end)
			break;
		while (have < count && (flows[have] = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
			have++;
			open++;
		}
		for (int i = 0; i < have; i++) {
			ssize_t got;

			/* Nobody reads what is sent: MSG_TRUNC leaves out the copy. */
			while (flows[i] >= 0 && (got = recv(flows[i], NULL, 1 << 30, MSG_TRUNC)) > 0) {
				bytes[i] += got;
				last = now;
				if (first)
					continue;
				first = now;
				end = now + (seconds + 5) * 1000000;
			}
			if (flows[i] < 0 || (got < 0 && errno == EAGAIN))
				continue;
			close(flows[i]);
			flows[i] = -1;
			open--;
		}
		usleep(COLLECT_US);
	}
	printf("%.6f\n", (last - first) / 1e6);
	for (int i = 0; i < count; i++)
		printf("%llu\n", (unsigned long long)bytes[i]);
}

static void send_all(struct sockaddr_in address, int count, uint64_t seconds)
{
	struct linger at_once = { .l_onoff = 1 };
	struct pollfd flows[MAX_FLOWS];
	uint64_t end;

	for (int i = 0; i < count; i++) {
		flows[i] = (struct pollfd){ .fd = connect_to(address), .events = POLLOUT };
		not_blocking(flows[i].fd);
	}
	for (end = now_us() + seconds * 1000000; now_us() < end;) {
		if (poll(flows, count, 100) < 0)
			fail("poll");
		for (int i = 0; i < count; i++)
			if (flows[i].revents && write(flows[i].fd, chunk, CHUNK) < 0 && errno != EAGAIN)
				fail("write");
	}
	/* What still waits is thrown away, so that the next measurement finds empty queues. */
	for (int i = 0; i < count; i++)
		setsockopt(flows[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void drain(struct sockaddr_in address, uint64_t seconds)
{
	uint64_t bytes = 0, first = 0, last = 0, start = now_us(), now = start;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("bind");
	set(fd, SOL_SOCKET, SO_RCVBUF, 4000000);
	puts("ready");
	fflush(stdout);
	while (now < start + (seconds + 10) * 1000000 && (!last || now < last + 1000000)) {
		ssize_t got;

		while ((got = recv(fd, NULL, 0, MSG_TRUNC | MSG_DONTWAIT)) > 0) {
			bytes += got;
			last = now;
			if (!first)
				first = now;
		}
		usleep(COLLECT_US);
		now = now_us();
	}
	printf("%.6f\n%llu\n", (last - first) / 1e6, (unsigned long long)bytes);
}

static void flood(struct sockaddr_in address, uint64_t bits_per_second, uint64_t seconds)
{
	uint64_t start = now_us(), sent = 0, now;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	/* More than any queue holds: a sender that waits for the shaper would be no flood. */
	set(fd, SOL_SOCKET, SO_SNDBUF, 4000000);
	while ((now = now_us()) < start + seconds * 1000000) {
		uint64_t due = (now - start) * bits_per_second / 8 / 1000000;

		for (; sent < due; sent += DATAGRAM)
			if (send(fd, chunk, DATAGRAM, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS &&
			    errno != ECONNREFUSED)
				fail("send");
		usleep(1000);
	}
}

/* 0 at the end of the connection. */
static int read_whole(int fd, char *buffer)
{
	for (size_t have = 0; have < SIZE;) {
		ssize_t count = read(fd, buffer + have, SIZE - have);

		if (count <= 0)
			return 0;
		have += count;
	}
	return 1;
}

static void serve(struct sockaddr_in address)
{
	int listener = listen_at(address);

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char buffer[SIZE];

		if (fd < 0)
			fail("accept");
		if (fork() == 0) {
			close(listener);
			set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
			while (read_whole(fd, buffer) && write(fd, buffer, SIZE) == SIZE)
				;
			exit(0);
		}
		close(fd);
	}
}

static void ask(struct sockaddr_in address, uint64_t interval_us, uint64_t seconds)
{
	struct timeval patience = { .tv_sec = seconds + 5 };
	int fd = connect_to(address);
	uint64_t next = now_us(), end = next + seconds * 1000000, time;
	char buffer[SIZE] = { 0 };

	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((time = now_us()) < end) {
		uint64_t asked = time;

		if (write(fd, buffer, SIZE) != SIZE || !read_whole(fd, buffer))
			fail("no answer");
		time = now_us();
		printf("%llu\n", (unsigned long long)(time - asked));
		while (next <= time)
			next += interval_us;
		usleep(next - time);
	}
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (host && inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail(host);
	return address;
}

static int count_of(const char *text)
{
	int count = atoi(text);

	if (count < 1 || count > MAX_FLOWS) {
		fprintf(stderr, "flows: from 1 to %d flows, not %s\n", MAX_FLOWS, text);
		exit(2);
	}
	return count;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "receive")) {
		receive(address_of(NULL, argv[2]), count_of(argv[3]), atoi(argv[4]));
	} else if (argc == 6 && !strcmp(argv[1], "send")) {
		send_all(address_of(argv[2], argv[3]), count_of(argv[4]), atoi(argv[5]));
	} else if (argc == 4 && !strcmp(argv[1], "drain")) {
		drain(address_of(NULL, argv[2]), atoi(argv[3]));
	} else if (argc == 6 && !strcmp(argv[1], "flood")) {
		flood(address_of(argv[2], argv[3]), strtoull(argv[4], NULL, 10), atoi(argv[5]));
	} else if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(address_of(NULL, argv[2]));
	} else if (argc == 6 && !strcmp(argv[1], "ask")) {
		ask(address_of(argv[2], argv[3]), strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	} else {
		fprintf(stderr, "flows receive PORT COUNT SECONDS | send ADDRESS PORT COUNT SECONDS | "
				"drain PORT SECONDS | flood ADDRESS PORT RATE SECONDS | serve PORT | "
				"ask ADDRESS PORT INTERVAL_US SECONDS\n");
		return 2;
	}
	return 0;
}
