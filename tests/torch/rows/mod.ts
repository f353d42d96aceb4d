/**
 * All operators of op_db that Tandem has, each as a call.
 *
 * @module
 */
import { elementwise } from "./elementwise.ts";
import { indexing } from "./index.ts";
import { linearAlgebra } from "./linalg.ts";
import { losses } from "./losses.ts";
import { networks } from "./nn.ts";
import { orders } from "./order.ts";
import { reductions } from "./reduce.ts";
import { shapes } from "./shape.ts";
import type { Rows } from "./row.ts";

/** Rows by the name of op_db, with the variant after a slash. */
export const ops: Rows = { ...elementwise, ...reductions, ...orders, ...shapes, ...indexing, ...networks, ...losses, ...linearAlgebra };
