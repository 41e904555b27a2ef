// A LiteRT delegate that takes no operator over, so that the answers stay what they are.
// What it does wrong is chosen with -D: REFUSE to be made, FAIL while it prepares, CRASH.
#include <stdint.h>
#include <stdlib.h>

struct delegate {  // TfLiteDelegate of LiteRT's C interface, version 2
    void *data;
    int (*prepare)(void *context, struct delegate *);
    void *copy_from_buffer, *copy_to_buffer, *free_buffer;
    int64_t flags;
    void *opaque;
};

static int prepare(void *context, struct delegate *self) {
#ifdef CRASH
    *(volatile int *)0 = 1;
#endif
#ifdef FAIL
    return 1;
#endif
    return 0;
}

struct delegate *tflite_plugin_create_delegate(char **names, char **values, size_t count, void (*report)(const char *)) {
#ifdef REFUSE
    report("no such device on the bus");
    return NULL;
#endif
    struct delegate *made = calloc(1, sizeof *made);
    made->prepare = prepare;
    return made;
}

void tflite_plugin_destroy_delegate(struct delegate *made) { free(made); }
