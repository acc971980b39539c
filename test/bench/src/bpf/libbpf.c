// SPDX-License-Identifier: Apache-2.0
// libbpf's side of the measurements: reads one command a line, "NAME COUNT [FILE]", does it COUNT times, and answers
// with one line of the nanoseconds that each took.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENTRIES 10000
#define RECORDS 10000

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static void *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file)
    die(path);
  fseek(file, 0, SEEK_END);
  *size = ftell(file);
  rewind(file);
  void *bytes = malloc(*size);
  if (fread(bytes, 1, *size, file) != *size)
    die(path);
  fclose(file);
  return bytes;
}

static double parse(const char *path) {
  static char last[4096];
  static void *bytes;
  static size_t size;
  if (strcmp(last, path)) {
    free(bytes);
    bytes = read_file(path, &size);
    snprintf(last, sizeof(last), "%s", path);
  }
  double start = now();
  struct bpf_object *object = bpf_object__open_mem(bytes, size, NULL);
  if (!object)
    die("bpf_object__open_mem");
  bpf_object__close(object);
  return now() - start;
}

static double load(const char *path) {
  static char last[4096];
  static void *bytes;
  static size_t size;
  if (strcmp(last, path)) {
    free(bytes);
    bytes = read_file(path, &size);
    snprintf(last, sizeof(last), "%s", path);
  }
  double start = now();
  struct bpf_object *object = bpf_object__open_mem(bytes, size, NULL);
  if (!object || bpf_object__load(object))
    die("bpf_object__load");
  bpf_object__close(object);
  return now() - start;
}

static double btf(const char *lookup) {
  double start = now();
  struct btf *vmlinux = btf__load_vmlinux_btf();
  if (!vmlinux)
    die("btf__load_vmlinux_btf");
  if (*lookup) {
    int id = btf__find_by_name_kind(vmlinux, "task_struct", BTF_KIND_STRUCT);
    const struct btf_type *type = id > 0 ? btf__type_by_id(vmlinux, id) : NULL;
    const struct btf_member *members = type ? btf_members(type) : NULL;
    int found = 0;
    for (int i = 0; type && i < btf_vlen(type) && !found; i++)
      found = !strcmp(btf__name_by_offset(vmlinux, members[i].name_off), "pid");
    if (!found)
      die("task_struct.pid");
  }
  double elapsed = now() - start;
  btf__free(vmlinux);
  return elapsed;
}

static int map_fd = -1;

static void fill(void) {
  if (map_fd >= 0)
    return;
  map_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "bench", 4, 8, ENTRIES, NULL);
  if (map_fd < 0)
    die("bpf_map_create");
  for (__u32 key = 0; key < ENTRIES; key++) {
    __u64 value = key;
    if (bpf_map_update_elem(map_fd, &key, &value, BPF_ANY))
      die("bpf_map_update_elem");
  }
}

static double get(void) {
  fill();
  __u64 value, sum = 0;
  double start = now();
  for (__u32 key = 0; key < ENTRIES; key++) {
    if (bpf_map_lookup_elem(map_fd, &key, &value))
      die("bpf_map_lookup_elem");
    sum += value;
  }
  double elapsed = now() - start;
  if (sum != (__u64)ENTRIES * (ENTRIES - 1) / 2)
    die("the sum of all values");
  return elapsed / ENTRIES;
}

static double set(void) {
  fill();
  double start = now();
  for (__u32 key = 0; key < ENTRIES; key++) {
    __u64 value = key;
    if (bpf_map_update_elem(map_fd, &key, &value, BPF_ANY))
      die("bpf_map_update_elem");
  }
  return (now() - start) / ENTRIES;
}

static double iterate(void) {
  fill();
  __u32 key, *previous = NULL;
  __u64 value;
  int count = 0;
  double start = now();
  while (!bpf_map_get_next_key(map_fd, previous, &key)) {
    previous = &key;
    if (!bpf_map_lookup_elem(map_fd, &key, &value))
      count++;
  }
  double elapsed = now() - start;
  if (count != ENTRIES)
    die("the number of elements");
  return elapsed / ENTRIES;
}

static __u32 keys[ENTRIES];
static __u64 values[ENTRIES];

static double get_batch(void) {
  fill();
  __u32 in = 0, out = 0, count, total = 0;
  int first = 1, error = 0;
  double start = now();
  while (!error) {
    count = ENTRIES - total;
    if (!count)
      break;
    error = bpf_map_lookup_batch(map_fd, first ? NULL : &in, &out, keys + total, values + total, &count, NULL);
    if (error && errno != ENOENT)
      die("bpf_map_lookup_batch");
    total += count;
    in = out;
    first = 0;
  }
  double elapsed = now() - start;
  if (total != ENTRIES)
    die("the number of elements");
  return elapsed / ENTRIES;
}

static double set_batch(void) {
  fill();
  for (__u32 key = 0; key < ENTRIES; key++)
    keys[key] = values[key] = key;
  __u32 count = ENTRIES;
  double start = now();
  if (bpf_map_update_batch(map_fd, keys, values, &count, NULL))
    die("bpf_map_update_batch");
  return (now() - start) / ENTRIES;
}

static __u64 length_sum;

static int take(void *context, void *data, size_t size) {
  length_sum += ((__u32 *)data)[2];
  return 0;
}

static double ring(const char *path) {
  static struct ring_buffer *buffer;
  static int program;
  if (!buffer) {
    struct bpf_object *object = bpf_object__open(path);
    if (!object || bpf_object__load(object))
      die("bpf_object__load");
    program = bpf_program__fd(bpf_object__find_program_by_name(object, "produce"));
    buffer = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "records"), take, NULL, NULL);
    if (!buffer)
      die("ring_buffer__new");
  }
  char packet[64] = {};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet), .repeat = RECORDS);
  if (bpf_prog_test_run_opts(program, &options))
    die("bpf_prog_test_run_opts");
  double start = now();
  int count = ring_buffer__consume(buffer);
  double elapsed = now() - start;
  if (count != RECORDS)
    die("the number of records");
  return elapsed / RECORDS;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments) {
  return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static double measure(const char *name, const char *argument) {
  if (!strcmp(name, "parse")) return parse(argument);
  if (!strcmp(name, "load")) return load(argument);
  if (!strcmp(name, "btf")) return btf("");
  if (!strcmp(name, "btf_lookup")) return btf("task_struct");
  if (!strcmp(name, "get")) return get();
  if (!strcmp(name, "set")) return set();
  if (!strcmp(name, "iterate")) return iterate();
  if (!strcmp(name, "get_batch")) return get_batch();
  if (!strcmp(name, "set_batch")) return set_batch();
  if (!strcmp(name, "ring")) return ring(argument);
  errno = EINVAL;
  die(name);
  return 0;
}

int main(void) {
  char line[5000], name[64], argument[4096];
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  libbpf_set_print(quiet);
  while (fgets(line, sizeof(line), stdin)) {
    int count;
    argument[0] = 0;
    if (sscanf(line, "%63s %d %4095[^\n]", name, &count, argument) < 2)
      return 2;
    for (int i = 0; i < count; i++)
      printf("%.1f ", measure(name, argument));
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
