// A module that prints on stdout through the C library that it shares with the program, and has no functions.
#include <stdio.h>

__declspec(dllexport) unsigned long C_GetFunctionList(void **list) {
    printf("ACME module 1.2\n");
    fflush(stdout);
    *list = 0;
    return 5; // CKR_GENERAL_ERROR
}
