/**
 * What a shard has of a layer, and where: 32-bit words behind the words of the ConvStep whose sums it makes. Of rows `first` … `first + rows − 1`
 * (output channels of all groups), elements `from` … `to − 1` of each, an element being tap · channels + channel.
 */
export enum ShardPart {
  first,
  rows,
  from,
  to,
  /** i16 [rows][to − from]. */
  weights,
  /** i32 [rows][taps that have elements here]: Σ of these weights. */
  tapSums,
  /** Room for the address of the input under each tap of an output pixel. */
  table,
  /** i32 or i64 [batch · output pixels][rows]. */
  output,
  /** 1: sums are i64, for layers whose sums are not proved to fit int32. */
  wide,
  length,
}
