// CRC-32 (IEEE 802.3, reflected) of the overlay's packets.
#pragma once
#include <cstddef>
#include <cstdint>

namespace pilot {

// Continues `crc`, which begins as 0; the check value of "123456789" is 0xCBF43926.
uint32_t crc32(uint32_t crc, const uint8_t* data, size_t length);

}  // namespace pilot
