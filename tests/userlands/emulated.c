/* Stands in for the binary of arm64 where the tests start stepzero: hands on arguments, environment, descriptors and signals as they
 * are, which a shell script would not. Compiled with -DEMULATOR and -DPROGRAM, two paths. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv, char **environment) {
    char **arguments = calloc(argc + 4, sizeof *arguments);
    if (!arguments) return 71;
    arguments[0] = EMULATOR;
    arguments[1] = "-0";
    arguments[2] = argc > 0 ? argv[0] : "stepzero";
    arguments[3] = PROGRAM;
    for (int at = 1; at < argc; at++) arguments[at + 3] = argv[at];
    execve(EMULATOR, arguments, environment);
    return 126;
}
