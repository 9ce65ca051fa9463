# SPDX-License-Identifier: MIT
"""ackd-gdb - what the tasks of an ackd process do, in gdb: of a process that runs, and of a core.

    (gdb) source /usr/share/ackd/ackd-gdb.py
    (gdb) ackd tasks
    (gdb) ackd bt 812
    (gdb) ackd bt all

A parked task has a stack of its own, on which the processor's registers were left. In a process
that runs they are put into the thread's for as long as gdb prints the backtrace, so that it is
gdb's own; in a core the chain of frame pointers is followed.
"""

import gdb

STATES = ["ready", "running", "awaiting", "joining", "succeeded", "failed", "cancelled"]
NS_PER_MS = 1000000
FRAMES_MAX = 64


class Machine:
    """Where switch_x86_64.S and switch_aarch64.S leave the registers: offset by name."""

    def __init__(self, saved, size, pc, frame, stack):
        self.saved, self.size, self.pc, self.frame, self.stack = saved, size, pc, frame, stack


X86_64 = Machine(
    {"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56},
    64, "rip", "rbp", "rsp")
AARCH64 = Machine(
    dict([("x29", 0), ("pc", 8)] + [("x%d" % n, 16 + 8 * (n - 19)) for n in range(19, 29)]),
    176, "pc", "x29", "sp")


def machine():
    name = gdb.selected_inferior().architecture().name()
    if "x86-64" in name:
        return X86_64
    if "aarch64" in name:
        return AARCH64
    raise gdb.GdbError("stacks of tasks are not known on " + name)


def word(address):
    memory = gdb.selected_inferior().read_memory(address, 8)
    return int.from_bytes(bytes(memory), "little")


def text(pointer):
    try:
        return pointer.string() if int(pointer) != 0 else ""
    except (gdb.error, UnicodeDecodeError):
        return "?"


def schedulers():
    try:
        scheduler = gdb.parse_and_eval("'scheduler.c'::scheduler_first")
    except gdb.error:
        try:
            scheduler = gdb.parse_and_eval("scheduler_first")
        except gdb.error:
            raise gdb.GdbError("there is no ackd in this process, or its symbols are missing")
    while int(scheduler) != 0:
        yield scheduler
        scheduler = scheduler["next"]


def tasks_of(scheduler):
    task_type = gdb.lookup_type("struct ackd_task")
    offset = next(f.bitpos // 8 for f in task_type.fields() if f.name == "all")
    head = scheduler["tasks"].address
    link = scheduler["tasks"]["next"]
    while int(link) != int(head):
        yield gdb.Value(int(link) - offset).cast(task_type.pointer())
        link = link["next"]


def kinds():
    return dict((int(f.enumval), f.name) for f in gdb.lookup_type("enum wait_kind").fields())


def doing(task, names):
    wait = task["wait"]
    if int(wait) == 0:
        return STATES[int(task["state"])]
    kind = names.get(int(wait["kind"]), "?").replace("WAIT_", "").lower()
    what = text(wait["what"])
    return "awaiting %s%s in %s (%s:%d)" % (
        kind, " " + what if what else "", text(wait["function"]), text(wait["file"]),
        int(wait["line"]))


def line_of(scheduler, task, names):
    since = max(int(scheduler["now_ns"]) - int(task["state_ns"]), 0) // NS_PER_MS
    parent = int(task["parent_id"])
    return "#%d %s: %s for %d ms%s" % (
        int(task["id"]), task["name"].string(), doing(task, names), since,
        ", child of #%d" % parent if parent else "")


def is_live():
    """Whether registers can be written: not in a core."""
    return "core dump file" not in gdb.execute("info target", to_string=True)


def print_live(place, cpu):
    """With the task's registers in those of this thread, for as long as it takes."""
    gdb.newest_frame().select()
    names = list(cpu.saved) + [cpu.stack]
    before = dict((name, int(gdb.parse_and_eval("(unsigned long)$" + name))) for name in names)
    try:
        gdb.execute("set $%s = %d" % (cpu.stack, place + cpu.size))
        for name, offset in cpu.saved.items():
            gdb.execute("set $%s = %d" % (name, word(place + offset)))
        gdb.execute("bt %d" % FRAMES_MAX)
    finally:
        gdb.newest_frame().select()
        gdb.execute("set $%s = %d" % (cpu.stack, before[cpu.stack]))
        for name in cpu.saved:
            gdb.execute("set $%s = %d" % (name, before[name]))
        gdb.newest_frame().select()


def describe(pc):
    """A return address: the call is before it. The function is the frame's, not one inlined."""
    block = gdb.block_for_pc(pc - 1)
    place = gdb.find_pc_line(pc - 1)
    name = None
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            name = block.function.print_name
        block = block.superblock
    if name is None:
        symbol = gdb.execute("info symbol %d" % (pc - 1), to_string=True).strip()
        name = symbol.split(" + ")[0] if not symbol.startswith("No symbol") else "??"
    where = " at %s:%d" % (place.symtab.filename, place.line) if place.symtab is not None else ""
    return "0x%016x in %s ()%s" % (pc, name, where)


def print_chain(place, cpu, stack):
    """Nothing is written: what the frame pointers lead to."""
    pc, frame = word(place + cpu.saved[cpu.pc]), word(place + cpu.saved[cpu.frame])
    low, top = place, int(stack["top"])
    for number in range(FRAMES_MAX):
        if pc == 0:
            break
        print("#%-2d %s" % (number, describe(pc)))
        if frame < low or frame % 8 != 0 or frame + 16 > top:
            break
        low, pc, frame = frame + 8, word(frame + 8), word(frame)


def print_task(scheduler, task, names):
    print(line_of(scheduler, task, names))
    stack = task["stack"]
    if int(stack) == 0:
        print("    it has not begun")
    elif int(stack) == int(scheduler["running"]):
        print("    it runs: see the backtrace of its thread")
    elif is_live():
        print_live(int(stack["context"]["place"]), machine())
    else:
        print_chain(int(stack["context"]["place"]), machine(), stack)


class Ackd(gdb.Command):
    """What the tasks of an ackd process do: ackd tasks, ackd bt."""

    def __init__(self):
        super().__init__("ackd", gdb.COMMAND_STACK, prefix=True)


class AckdTasks(gdb.Command):
    """ackd tasks: a line for each loop and for each of its tasks."""

    def __init__(self):
        super().__init__("ackd tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        names = kinds()
        for scheduler in schedulers():
            counts = scheduler["counts"]
            print("%s: %d live, %d ready" % (scheduler["name"].string(), int(counts["live"]),
                                             int(counts["ready"])))
            for task in tasks_of(scheduler):
                print(line_of(scheduler, task, names))


class AckdBacktrace(gdb.Command):
    """ackd bt ID|all: the backtrace of a parked task, or of all."""

    def __init__(self):
        super().__init__("ackd bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = argument.strip().lstrip("#")
        if wanted != "all" and not wanted.isdigit():
            raise gdb.GdbError("ackd bt ID, or ackd bt all")
        names = kinds()
        found = False
        for scheduler in schedulers():
            for task in tasks_of(scheduler):
                if wanted == "all" or int(task["id"]) == int(wanted):
                    print_task(scheduler, task, names)
                    found = True
        if not found and wanted != "all":
            raise gdb.GdbError("there is no task #%s" % wanted)


Ackd()
AckdTasks()
AckdBacktrace()
