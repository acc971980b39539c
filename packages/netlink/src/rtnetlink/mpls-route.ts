import { attributes } from "../schema/attributes.js";
import { once } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { mplsLabels } from "./encap.js";
import { routeAttributes, rtmsg } from "./route-schema.js";

/** The body of route messages of the family AF_MPLS, whose destinations are labels. */
export const mplsRouteMessage = once(() =>
  message(
    rtmsg,
    attributes({
      ...routeAttributes.declarations,
      destination: [1, "RTA_DST", mplsLabels],
      newDestination: [19, "RTA_NEWDST", mplsLabels],
    }),
  ),
);
