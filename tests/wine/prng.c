// Wine 8 has no bcryptprimitives.dll, and Rust's standard library asks it for random numbers. This one, beside the program, asks
// Windows' older function.
#include <windows.h>

BOOLEAN WINAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
    return SystemFunction036(buffer, (ULONG)length);
}
