"""The C side of the thermal array (src/mlx90640.h, src/mlx90640_merge.h)."""

from libc.stdint cimport int32_t, uint8_t, uint16_t

from _fastcore cimport isa

cdef extern from "mlx90640.h" nogil:
    enum:
        MLX_ROWS
        MLX_PIXELS
        MLX_COLUMNS
        MLX_EEPROM_WORDS
        MLX_FRAME_WORDS
        MLX_EEPROM_START
        MLX_RAM_START
        MLX_CONTROL
    ctypedef enum mlx_pattern:
        pass
    ctypedef struct mlx_fault:
        const char *what
        unsigned address
    ctypedef struct mlx_defects:
        unsigned broken_count
        unsigned outlier_count
        uint16_t *broken
        uint16_t *outliers
        int code
    ctypedef struct mlx_params:
        mlx_defects defects
    ctypedef struct mlx_shared:
        unsigned control
        unsigned subpage
    ctypedef struct mlx_terms:
        pass
    ctypedef struct mlx_average:
        pass
    ctypedef struct mlx_extras:
        int swapped
        int saturation
        const int32_t *counted
        mlx_average *average
        unsigned saturated
        float hottest
    ctypedef int32_t mlx_lane_counts "mlx_counted" [2][2][384]
    void mlx_count(const mlx_defects *defects, const uint8_t *picture, mlx_lane_counts counted)
    ctypedef void mlx_to_kernel(
        const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out, mlx_extras *extras
    )
    mlx_pattern mlx_pattern_of(unsigned control)
    mlx_fault mlx_extract(const uint16_t *eeprom, mlx_params *params)
    void mlx_repair(const mlx_defects *defects, mlx_pattern pattern, float *to)
    mlx_shared mlx_read_shared(const uint16_t *frame, int swapped)
    double mlx_supply_voltage(const mlx_params *params, const mlx_shared *words)
    mlx_fault mlx_ambient_temperature(const mlx_params *params, const mlx_shared *words, double *ta)
    mlx_fault mlx_shared_terms(
        const mlx_params *params, const mlx_shared *words, double emissivity, double reflected, mlx_terms *terms
    )
    mlx_to_kernel *mlx_to_kernel_for(isa.tg_isa path)

cdef extern from "mlx90640_merge.h" nogil:
    void mlx_average_start(mlx_average *average, float frames, float *latest, float *mean, float *noise)
    void mlx_average_expect(mlx_average *average, mlx_pattern pattern)
