// Trains six networks with the kernel in KERNEL_TEXT, whose words are those of host.h, and prints their ends in bits:
//
//     host STEPS FILL [FOLDER]
//
// Two groups train them over many launches, as in launch.rs, so networks are resumed and taken from an inbox that goes
// around. One diverges, one stands still from the first step on, one is given back if its activation is a sine, one is
// traced. Before each launch rooms are filled with the byte FILL: nothing may depend on what lies there. Into a FOLDER
// goes the launch in which the traced one ends: buffers before, as a simulation for Oclgrind, and what it must leave.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include KERNEL_TEXT

using std::vector;
typedef vector<ulong> Whole;
typedef vector<real> Real;

enum { NETWORKS = 6, GROUPS = 2, CAPACITY = 4, BUDGET = 7, ENDS = GROUPS + CAPACITY };
enum { STAGES = RATES_SIZE / (2 * TENSORS) - 1 };
enum { DIVERGES = 1, IS_TRACED = 2, STANDS_STILL = 4, IS_FAR = 5 };

struct Network {
    bool ended = false;
    Whole whole;
    Real end, on_grid, losses, snapshots, best;
};

// From -1 to 1, of all networks different ones.
static real noise(ulong at) {
    at = (at + 1) * 0x9E3779B97F4A7C15UL;
    at = (at ^ (at >> 30)) * 0xBF58476D1CE4E5B9UL;
    at = (at ^ (at >> 27)) * 0x94D049BB133111EBUL;
    return (real)((double)((at ^ (at >> 31)) >> 40) / (1 << 23) - 1);
}

// What the network with this number begins with: inputs, targets, weights, rates, as `beginning` in launch.rs.
static Real beginning(int id) {
    Real all;
    ulong at = (ulong)id << 32;
    for (int i = 0; i < N * D; i++) all.push_back((id == IS_FAR ? (real)1e6 : 1) * noise(at++));
    for (int i = 0; i < N * K; i++) {
        const real y = noise(at++);
        all.push_back(LOSS_IS_LOGISTIC || SUCCESS_IS_ACCURACY ? (y < 0 ? (real)-1 : (real)1) : y);
    }
    for (int i = 0; i < P; i++) all.push_back((real)0.5 * noise(at++));
    const double rate = id == DIVERGES ? 30 : id == STANDS_STILL ? 0 : 0.002 * (id + 1);
    for (int stage = 0; stage <= STAGES; stage++) {
        for (int tensor = 0; tensor < TENSORS; tensor++) all.push_back((real)(-rate / (stage + 1)));
        for (int tensor = 0; tensor < TENSORS; tensor++) all.push_back((real)(-0.1 * rate / (stage + 1)));
    }
    return all;
}

template <class T> static ulong bits_of(T number) {
    ulong bits = 0;
    memcpy(&bits, &number, sizeof number);
    return bits;
}

template <class T> static void print(const char *what, const vector<T> &numbers) {
    printf("  %s", what);
    for (T each : numbers) printf(" %lx", bits_of(each));
    printf("\n");
}

// A buffer as the next argument of a simulation. Oclgrind takes and prints numbers in decimal: bits as integers.
template <class T> static void give(std::ostream &to, const vector<T> &buffer, bool dump = false) {
    to << "<size=" << sizeof(T) * buffer.size() << (sizeof(T) == 8 ? " ulong" : " uint") << (dump ? " dump>\n" : ">\n");
    for (T each : buffer) to << bits_of(each) << ' ';
    to << '\n';
}

// A buffer as Oclgrind prints it.
template <class T> static void expect(std::ostream &to, const char *name, const vector<T> &buffer) {
    for (size_t i = 0; i < buffer.size(); i++) to << "  " << name << '[' << i << "] = " << bits_of(buffer[i]) << '\n';
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
    const ulong steps = strtoul(arguments[1], nullptr, 10);
    const int fill = atoi(arguments[2]);

    // The buffers, in the order of the kernel's arguments; none is empty, which Oclgrind does not take.
    Whole numbers(8), grid = {0, 3, steps / 2, steps}, schedule = {5}, inbox_whole(CAPACITY * (TRACE_ + 1));
    Real values = {(real)1e-8, (real)(1.0 / N)}, inbox(CAPACITY * INBOX_SIZE), slots(GROUPS * SLOT_SIZE);
    Whole slots_whole(GROUPS * WHOLE), outbox_whole(ENDS * WHOLE), traces_whole(TRACE_WHOLE);
    Real losses(GROUPS * grid.size()), outbox(ENDS * (HEAD + P)), outbox_losses(ENDS * grid.size());
    vector<uint> counters(2 + GROUPS);
    Real traces(TRACE_SIZE), scratch(GROUPS * FAR_SIZE + 1);
    for (int g = 0; g < GROUPS; g++) slots_whole[g * WHOLE + ENDED_] = EMPTY;

    vector<Network> networks(NETWORKS);
    // More snapshots than the first request of the trace holds.
    const Whole marks = {0, 1, 4, steps};
    size_t marks_taken = 0;
    auto ask = [&] {
        const bool more = marks_taken < 2;
        const ulong asked = more ? 2 - marks_taken : marks.size() - marks_taken;
        traces_whole = Whole(TRACE_WHOLE);
        traces_whole[ASKED_] = asked;
        traces_whole[MORE_] = more;
        traces_whole[KEEPS_LOSSES_] = traces_whole[KEEPS_BEST_] = 1;
        for (ulong i = 0; i < asked; i++) traces_whole[MARKS_ + i] = marks[marks_taken + i];
    };
    ask();

    int next = 0, ended = 0;
    ulong head = 0, waiting = 0, made = 0;
    for (int launch = 0; ended < NETWORKS && launch < 1000; launch++) {
        for (; next < NETWORKS && waiting < CAPACITY; next++, waiting++) {
            const ulong place = (head + waiting) % CAPACITY;
            const Real begin = beginning(next);
            std::copy(begin.begin(), begin.end(), inbox.begin() + place * INBOX_SIZE);
            const ulong whole[] = {(ulong)next, 77, (ulong)next, next == IS_TRACED};
            std::copy(whole, whole + TRACE_ + 1, inbox_whole.begin() + place * (TRACE_ + 1));
        }
        numbers = {steps, BUDGET, waiting, head, CAPACITY, grid.size(), STAGES, 0};
        std::fill(counters.begin(), counters.end(), 0);

        std::ostringstream before, after;
        before << "train.cl\ntrain\n" << GROUPS * THREADS << " 1 1\n" << THREADS << " 1 1\n";
        give(before, numbers), give(before, values), give(before, grid), give(before, schedule), give(before, inbox);
        give(before, inbox_whole), give(before, slots, true), give(before, slots_whole, true), give(before, losses);
        give(before, outbox, true), give(before, outbox_whole, true), give(before, outbox_losses, true);
        give(before, counters, true), give(before, traces, true), give(before, traces_whole, true);
        give(before, scratch);

        for (group = 0; group < GROUPS; group++) {
            memset(room, fill, sizeof room);
            memset(common, fill, sizeof common);
            memset(scratch.data(), fill, scratch.size() * sizeof(real));
            auto run = [&]([[maybe_unused]] int number) {
#if THREADS > 1
                me = number;
#endif
                train(numbers.data(), values.data(), grid.data(), schedule.data(), inbox.data(), inbox_whole.data(),
                      slots.data(), slots_whole.data(), losses.data(), outbox.data(), outbox_whole.data(),
                      outbox_losses.data(), counters.data(), traces.data(), traces_whole.data(), scratch.data());
            };
            vector<std::thread> all;
            for (int t = 1; t < THREADS; t++) all.emplace_back(run, t);
            run(0);
            for (std::thread &thread : all) thread.join();
        }
        const ulong claimed = counters[0] < waiting ? counters[0] : waiting;
        head = (head + claimed) % CAPACITY;
        waiting -= claimed;
        for (int g = 0; g < GROUPS; g++) made += counters[2 + g];
        Network &traced = networks[IS_TRACED];
        const ulong written = traces_whole[WRITTEN_], taken = traces_whole[TAKEN_];
        traced.losses.insert(traced.losses.end(), traces.begin(), traces.begin() + written);
        const auto snapshots = traces.begin() + TRACE_STEPS + P;
        traced.snapshots.insert(traced.snapshots.end(), snapshots, snapshots + taken * (P + 1));
        traced.best.assign(traces.begin() + TRACE_STEPS, snapshots);
        marks_taken += taken;
        const Whole left = traces_whole;
        if (written + taken > 0) ask();
        for (uint i = 0; i < counters[1]; i++, ended++) {
            const ulong *whole = &outbox_whole[i * WHOLE];
            const real *end = &outbox[i * (HEAD + P)], *on_grid = &outbox_losses[i * grid.size()];
            Network &network = networks.at(whole[ID_]);
            if (network.ended) return 3;
            network.ended = true;
            if (whole[ID_] == IS_TRACED && count > 3) {
                expect(after, "slots", slots), expect(after, "slots_whole", slots_whole);
                expect(after, "outbox", outbox), expect(after, "outbox_whole", outbox_whole);
                expect(after, "outbox_losses", outbox_losses), expect(after, "counters", counters);
                expect(after, "traces", traces), expect(after, "traces_whole", left);
                std::ofstream(arguments[3] + std::string("/train.sim")) << before.str();
                std::ofstream(arguments[3] + std::string("/expected")) << after.str();
            }
            network.whole = {whole[ENDED_], whole[STEP_], whole[FIRST_BELOW_], whole[GRID_AT_], whole[BEST_STEP_]};
            network.end = {end[LOSS_], end[BEST_], end[JUDGED_]};
            network.end.insert(network.end.end(), end + HEAD, end + HEAD + P);
            network.on_grid.assign(on_grid, on_grid + whole[GRID_AT_]);
        }
    }
    if (ended != NETWORKS) return 4;
    for (int id = 0; id < NETWORKS; id++) {
        printf("network %d\n", id);
        print("whole", networks[id].whole);
        print("end", networks[id].end);
        print("grid", networks[id].on_grid);
        print("losses", networks[id].losses);
        print("snapshots", networks[id].snapshots);
        print("best", networks[id].best);
    }
    printf("%lu steps\n", made);
}
