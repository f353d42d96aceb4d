/**
 * All operators of op_db that Tandem has, each as a call.
 *
 * @module
 */
import { elementwise } from "./ops_elementwise.ts";
import { networks } from "./ops_nn.ts";
import { reductions } from "./ops_reduce.ts";
import { shapes } from "./ops_shape.ts";
import type { Rows } from "./row.ts";

/** Rows by the name of op_db, with the variant after a slash. */
export const ops: Rows = { ...elementwise, ...reductions, ...shapes, ...networks };
