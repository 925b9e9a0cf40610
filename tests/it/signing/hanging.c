/* A PKCS#11 library that passes every call on to another one. While a file is there no signature comes out of it. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*signs)(word, unsigned char *, word, unsigned char *, word *);

/* CK_FUNCTION_LIST of PKCS#11 2.40: a version, and 68 functions in the order of the standard. */
struct list {
    unsigned char version[2];
    void *functions[68];
};
enum { C_SIGN = 43 };

static struct list own;
static signs theirs;

static word hang(word session, unsigned char *data, word size, unsigned char *signature, word *signature_size)
{
    const struct timespec step = {0, 10000000};
    const char *file = getenv("LIANDONG_TEST_HANGS_WHILE");
    while (file && access(file, F_OK) == 0)
        nanosleep(&step, 0);
    return theirs(session, data, size, signature, signature_size);
}

word C_GetFunctionList(struct list **list)
{
    void *library = dlopen(getenv("LIANDONG_TEST_PKCS11_REAL"), RTLD_NOW);
    word (*get)(struct list **) = library ? (word (*)(struct list **))dlsym(library, "C_GetFunctionList") : 0;
    struct list *real;
    if (!get || get(&real))
        return 5; /* CKR_GENERAL_ERROR */
    own = *real;
    theirs = (signs)own.functions[C_SIGN];
    own.functions[C_SIGN] = (void *)hang;
    *list = &own;
    return 0;
}
