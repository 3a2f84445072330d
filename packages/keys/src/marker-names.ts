/**
 * The names by which certificates are marked; see simulated-marker.ts.
 */

/** Object identifier of the extension that marks a simulated cluster. */
export const SIMULATED_TEE_OID = '2.25.135538727860352250590759471312940959559';

/** Organization (O) in the subject of a certificate of a simulated cluster. */
export const SIMULATED_ORGANIZATION = 'Witan SIMULATED TEE';

/** Organization (O) in the subject of every other certificate. */
export const ORGANIZATION = 'Witan';
