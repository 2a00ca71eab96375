"""Operations that cells use: joined convolutions, warps, local attention, resampling."""
