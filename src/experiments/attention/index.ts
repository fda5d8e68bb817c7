import type { Experiment } from "../experiment.ts";
import { audited } from "./audited.ts";
import { membership } from "./membership.ts";
import { recall } from "./recall.ts";
import { retrieval } from "./retrieval.ts";
import { threshold } from "./threshold.ts";
import { tight } from "./tight.ts";

export const experiments: readonly Experiment[] = [threshold, tight, retrieval, audited, membership, recall];
