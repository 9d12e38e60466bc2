/* The control of the suite: linked statically, it resolves a name as glibc does by itself. Where nsswitch.conf names a module
 * of another glibc, it dies of a signal. If it never does, the roots set no trap, and the suite proves nothing. */
#include <netdb.h>
#include <stdio.h>

int main(int argc, char **argv) {
    struct addrinfo *found;
    int error = argc == 2 ? getaddrinfo(argv[1], "443", NULL, &found) : EAI_FAIL;
    puts(error ? gai_strerror(error) : "found");
    return error != 0;
}
