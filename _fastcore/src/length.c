/* The length of a vector, in sums that a compiler may keep side by side. */
#include "match.h"

#include <math.h>

double tg_length(const float *vector, size_t dim)
{
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= dim; i += 8)
        for (size_t j = 0; j < 8; j++)
            sums[j] += (double)vector[i + j] * (double)vector[i + j];
    for (; i < dim; i++)
        sums[0] += (double)vector[i] * (double)vector[i];
    return sqrt(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])));
}
