/* Lookup tables of 16 entries, two a plane byte, for vectors that look 4 bits up; included once for each such set. */
#ifndef THERMOGATE_PLANES_NIBBLE_H
#define THERMOGATE_PLANES_NIBBLE_H

#include "planes.h"

enum { TG_NIBBLE_TABLE = 16 };

/* Bit t of an index adds weight t; less the negative ones, over 256, rounded up. */
static inline __attribute__((always_inline)) void tg_nibble_table(const uint16_t *w, uint8_t *out)
{
    uint16_t entry[TG_NIBBLE_TABLE];
    unsigned base = 255;
    for (int t = 0; t < 4; t++)
        base -= (int16_t)w[t] < 0 ? (unsigned)(int16_t)w[t] : 0u;
    entry[0] = (uint16_t)base;
    for (int t = 0; t < 4; t++)
        for (int i = 0; i < 1 << t; i++)
            entry[i + (1 << t)] = (uint16_t)(entry[i] + w[t]);
    for (int i = 0; i < TG_NIBBLE_TABLE; i++)
        out[i] = (uint8_t)(entry[i] >> 8);
}

static inline __attribute__((always_inline)) void tg_nibble_tables(const uint16_t *weights, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < 2 * bytes; i++)
        tg_nibble_table(weights + 4 * i, out + TG_NIBBLE_TABLE * i);
}

#endif
