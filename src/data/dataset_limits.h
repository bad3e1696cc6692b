/// Limits that the writer and the reader of data sets share.
#ifndef LODE_DATA_DATASET_LIMITS_H
#define LODE_DATA_DATASET_LIMITS_H

#define LODE_COLUMNS_LIMIT 1024            ///< of each kind
#define LODE_TIME_LIMIT    7258118400000ll ///< 2200-01-01 in ms

#endif
